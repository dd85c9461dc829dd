//! The HTTP side of a call.

use bytes::Bytes;
use continuum_workload_core::{application::RunError, call::Call, clock::AnchoredClock};
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::time::Duration;
use tokio::time::Instant;

/// Before a connection that was not made is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(20);

/// Calls functions of one gateway.
#[derive(Debug)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    gateway: String,
    timeout: Duration,
    clock: AnchoredClock,
}

/// How a call ended, beyond what its record says.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answer: Option<Bytes>,
    pub(crate) why: Option<String>,
    pub(crate) retries: u64,
}

impl Client {
    pub(crate) fn new(
        gateway: &str,
        timeout: Duration,
        clock: AnchoredClock,
    ) -> Result<Self, RunError> {
        let address = format!("http://{gateway}/");
        address
            .parse::<Uri>()
            .map_err(|e| RunError::other(format!("read the gateway's address `{gateway}`"), e))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            pool,
            gateway: gateway.to_owned(),
            timeout,
            clock,
        })
    }

    /// Makes a call. A connection that was refused has carried nothing, and is tried again until the time is over.
    pub(crate) async fn call(&self, call: &mut Call, body: Bytes) -> Outcome {
        let mut outcome = Outcome::default();
        let deadline = Instant::now() + self.timeout;
        loop {
            call.sent_ns = self.clock.now_unix_ns();
            let attempt = tokio::time::timeout_at(deadline, self.attempt(call, body.clone()));
            match attempt.await {
                Err(_) => {
                    outcome.why = Some(format!("no answer within {:?}", self.timeout));
                    return outcome;
                }
                Ok(Ok(answer)) => {
                    call.answered_ns = self.clock.now_unix_ns();
                    call.answer_bytes = answer.len() as u64;
                    if !call.is_good() {
                        let text = String::from_utf8_lossy(&answer);
                        outcome.why = Some(format!("status {}: {}", call.status, text.trim()));
                    }
                    outcome.answer = Some(answer);
                    return outcome;
                }
                Ok(Err(Failure::NotConnected(why))) => {
                    outcome.retries += 1;
                    if Instant::now() + AGAIN_AFTER > deadline {
                        outcome.why = Some(format!("connect to {}: {why}", self.gateway));
                        return outcome;
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Ok(Err(Failure::Broken(why))) => {
                    outcome.why = Some(format!("the connection broke: {why}"));
                    return outcome;
                }
            }
        }
    }

    async fn attempt(&self, call: &mut Call, body: Bytes) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!(
                "http://{}/function/{}",
                self.gateway, call.function
            ))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| Failure::Broken(e.to_string()))?;
        let response = self.pool.request(request).await.map_err(|e| {
            let is_connect = e.is_connect();
            // With all its causes.
            let why = format!("{:#}", anyhow::Error::new(e));
            if is_connect {
                Failure::NotConnected(why)
            } else {
                Failure::Broken(why)
            }
        })?;
        let text = |name: &str| {
            let value = response.headers().get(name);
            value.and_then(|v| v.to_str().ok()).unwrap_or_default()
        };
        call.is_cold = text(continuum_openfaas_api::COLD_START) == "true";
        text(continuum_openfaas_api::SERVED_BY).clone_into(&mut call.pod);
        let status = response.status().as_u16();
        let answer = response.into_body().collect().await;
        let answer = answer.map_err(|e| Failure::Broken(format!("{:#}", anyhow::Error::new(e))))?;
        // An answer that broke off is none.
        call.status = status;
        Ok(answer.to_bytes())
    }
}

#[derive(Debug)]
enum Failure {
    NotConnected(String),
    Broken(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    fn client(gateway: &str) -> Client {
        Client::new(gateway, Duration::from_secs(5), AnchoredClock::start()).unwrap()
    }

    #[tokio::test]
    async fn a_gateway_that_is_away_is_tried_again_and_a_broken_call_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        drop(listener);
        let server = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let listener = TcpListener::bind(gateway).await.unwrap();
            let answer = "HTTP/1.1 200 OK\r\nx-cold-start: true\r\nx-served-by: f-1\r\n\
                          content-length: 2\r\nconnection: close\r\n\r\nhi";
            let (mut first, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            assert!(first.read(&mut buffer).await.unwrap() > 0);
            first.write_all(answer.as_bytes()).await.unwrap();
            first.shutdown().await.unwrap();
            // The second one is taken and dropped.
            let (mut second, _) = listener.accept().await.unwrap();
            assert!(second.read(&mut buffer).await.unwrap() > 0);
        });
        let client = client(&gateway.to_string());
        let mut call = Call {
            function: "f".into(),
            ..Call::default()
        };
        let outcome = client.call(&mut call, Bytes::from_static(b"x")).await;
        assert_eq!(outcome.answer.as_deref(), Some(&b"hi"[..]), "{outcome:?}");
        assert!(outcome.retries > 0 && call.is_cold && call.pod == "f-1");
        assert_eq!((call.status, call.answer_bytes), (200, 2));
        let mut call = Call {
            function: "f".into(),
            ..Call::default()
        };
        let outcome = client.call(&mut call, Bytes::new()).await;
        assert!(outcome.why.unwrap().contains("broke"));
        assert_eq!((call.status, call.answered_ns), (0, 0));
        server.await.unwrap();
    }
}
