//! One process that is an HTTP server itself: calls are handed on to it, and it is started again when it ends.

use crate::{Body, BodyError, Handler, answer, config::Config, program};
use anyhow::Context as _;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpStream;

const START_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Below what servers commonly allow, so that they are not the ones who close.
const IDLE: Duration = Duration::from_secs(4);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Hands calls on.
#[derive(Debug)]
pub struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: String,
    is_ready: Arc<AtomicBool>,
}

impl Upstream {
    /// Starts the program, and again whenever it ends.
    ///
    /// # Errors
    /// No program, or an address that is none.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        let argv = config.argv();
        anyhow::ensure!(!argv.is_empty(), "no program; set fprocess");
        let address: Uri = config
            .upstream()
            .parse()
            .with_context(|| format!("read upstream_url `{}`", config.upstream()))?;
        let host = address
            .host()
            .with_context(|| format!("upstream_url `{address}` has no host"))?;
        let authority = format!("{host}:{}", address.port_u16().unwrap_or(80));
        let is_ready = Arc::new(AtomicBool::new(false));
        tokio::spawn(keep(argv, authority.clone(), Arc::clone(&is_ready)));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .build(connector),
            authority,
            is_ready,
        })
    }
}

/// Whether it was the caller who stopped.
fn is_slow_body(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<tower_http::timeout::TimeoutError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Starts the program again and again; each time it is ready when it listens.
async fn keep(argv: Vec<String>, authority: String, is_ready: Arc<AtomicBool>) {
    loop {
        let mut command = program::command(&argv);
        // Our own port is not its port.
        let port = authority.rsplit_once(':').map_or("80", |(_, port)| port);
        let spawned = command.env("port", port).stdin(Stdio::null()).spawn();
        match spawned {
            Err(error) => tracing::error!("start `{}`: {error}", argv[0]),
            Ok(mut child) => {
                let listens = async {
                    while TcpStream::connect(&authority).await.is_err() {
                        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                    }
                    is_ready.store(true, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = listens => {}
                    ended = child.wait() => match ended {
                        Ok(status) => tracing::error!("the program ended: {status}"),
                        Err(error) => tracing::error!("wait for the program: {error}"),
                    },
                }
                is_ready.store(false, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(START_AGAIN_AFTER).await;
    }
}

impl Handler for Upstream {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let uri = Uri::builder()
            .scheme("http")
            .authority(&*self.authority)
            .path_and_query(path)
            .build();
        match uri {
            Ok(uri) => parts.uri = uri,
            Err(error) => return answer(StatusCode::BAD_REQUEST, error.to_string()),
        }
        let request = Request::from_parts(parts, body);
        match self.client.request(request).await {
            Err(error) if is_slow_body(&error) => {
                answer(StatusCode::REQUEST_TIMEOUT, crate::NO_PROGRESS)
            }
            Err(error) => answer(
                StatusCode::BAD_GATEWAY,
                format!("the program broke off: {error}"),
            ),
            Ok(response) => response.map(|body| body.map_err(BodyError::from).boxed()),
        }
    }

    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }
}
