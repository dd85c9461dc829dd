//! The HTTP side: health, a limit of calls, and an end that loses none.

use crate::{Body, answer, config::Config};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers calls.
pub trait Handler: Send + Sync + 'static {
    /// Answers one.
    fn call(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
    /// Whether calls can be made now.
    fn is_ready(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Shared<H> {
    handler: H,
    config: Config,
    in_flight: AtomicUsize,
    is_ending: AtomicBool,
}

/// A call in flight.
struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: Handler> Shared<H> {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        match request.uri().path() {
            "/_/health" | "/_/ready" => {
                if self.is_ending.load(Ordering::Relaxed) {
                    return answer(StatusCode::SERVICE_UNAVAILABLE, "it is ending");
                }
                if !self.handler.is_ready() {
                    return answer(StatusCode::SERVICE_UNAVAILABLE, "it has not begun yet");
                }
                return answer(StatusCode::OK, "OK");
            }
            _ => {}
        }
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let _slot = Slot(&self.in_flight);
        if self.config.max_inflight > 0 && now > self.config.max_inflight {
            let most = self.config.max_inflight;
            let text = format!("{most} calls are in flight, which is the most");
            return answer(StatusCode::TOO_MANY_REQUESTS, text);
        }
        let begun = Instant::now();
        let mut response = self.handler.call(request).await;
        let seconds = format!("{:.6}", begun.elapsed().as_secs_f64());
        if let Ok(value) = HeaderValue::from_str(&seconds) {
            response.headers_mut().insert("x-duration-seconds", value);
        }
        response
    }
}

/// Serves until `stop`. After it, calls are still taken for a moment, since not everyone has heard of it, and those in
/// flight are finished.
///
/// # Errors
/// Never once it runs: what a call does is its own.
pub async fn serve<H: Handler>(
    config: Config,
    listener: TcpListener,
    handler: H,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let shared = Arc::new(Shared {
        handler,
        config: config.clone(),
        in_flight: AtomicUsize::new(0),
        is_ending: AtomicBool::new(false),
    });
    let graceful = GracefulShutdown::new();
    let ending = {
        let shared = Arc::clone(&shared);
        async move {
            stop.cancelled().await;
            shared.is_ending.store(true, Ordering::Relaxed);
            tokio::time::sleep(shared.config.healthcheck_interval).await;
        }
    };
    let mut ending = std::pin::pin!(ending);
    loop {
        let accepted = tokio::select! {
            () = &mut ending => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        stream.set_nodelay(true).ok();
        let own = Arc::clone(&shared);
        let service = service_fn(move |request: Request<Incoming>| {
            let own = Arc::clone(&own);
            async move {
                let request = request.map(|body| body.map_err(Into::into).boxed());
                Ok::<_, Infallible>(own.answer(request).await)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.read_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("connection: {error}");
            }
        });
    }
    drop(listener);
    tokio::time::timeout(config.write_timeout, graceful.shutdown())
        .await
        .ok();
    Ok(())
}
