//! One process that is an HTTP server itself: calls are handed on to it, and it is started again when it ends.

use super::supervised_server::Server;
use crate::{
    Body, BodyError, Handler, InFlight, answer, broken_body, config::Config, full,
    programs::Programs,
};
use anyhow::Context as _;
use continuum_http_service::{Connector, MAX_HEADERS, Upgrade, chain, connector, strip};
use http::{Request, Response, StatusCode, Uri, Version, header, uri::Scheme};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Below what servers commonly allow, so that they are not the ones who close.
const IDLE: Duration = Duration::from_secs(4);

/// Where the program listens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    scheme: Scheme,
    authority: String,
    /// Without a slash at its end.
    path: String,
}

impl Base {
    fn read(text: &str) -> anyhow::Result<Self> {
        let address: Uri = text
            .parse()
            .with_context(|| format!("read upstream_url `{text}`"))?;
        let (Some(scheme), Some(host)) = (address.scheme().cloned(), address.host()) else {
            anyhow::bail!("upstream_url `{text}` has no host; write it as http://HOST:PORT/PATH");
        };
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            other => {
                anyhow::bail!("upstream_url `{text}`: {other} is not spoken; write http or https")
            }
        };
        anyhow::ensure!(
            address.query().is_none(),
            "upstream_url `{text}` has a query, and each call has its own; leave it out"
        );
        Ok(Self {
            authority: format!("{host}:{}", address.port_u16().unwrap_or(usual)),
            path: address.path().trim_end_matches('/').to_owned(),
            scheme,
        })
    }

    /// The address of a call.
    fn of(&self, call: &Uri) -> Result<Uri, http::Error> {
        let path = call.path_and_query().map_or("/", |p| p.as_str());
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(&*self.authority)
            .path_and_query(format!("{}{path}", self.path))
            .build()
    }
}

/// Hands calls on.
#[derive(Debug)]
pub struct Upstream {
    client: Client<Connector, Body>,
    base: Base,
    buffers: bool,
    programs: Programs,
    ending: CancellationToken,
    is_ready: Arc<AtomicBool>,
    keeper: TaskTracker,
}

impl Upstream {
    /// Starts the program, and again whenever it ends. One process has one of these: all processes without a parent come
    /// to it.
    ///
    /// # Errors
    /// No program, or an address that is none.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        let argv = config.argv();
        anyhow::ensure!(!argv.is_empty(), "no program; set fprocess");
        let base = Base::read(config.upstream())?;
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        let upstream = Self {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .http1_max_headers(MAX_HEADERS)
                .build(connector(http)?),
            base,
            buffers: config.buffers(),
            programs: Programs::new(config),
            ending: CancellationToken::new(),
            is_ready: Arc::default(),
            keeper: TaskTracker::new(),
        };
        let server = Server {
            argv,
            authority: upstream.base.authority.clone(),
            programs: upstream.programs.clone(),
            ending: upstream.ending.clone(),
            is_ready: Arc::clone(&upstream.is_ready),
        };
        upstream.keeper.spawn(server.keep());
        Ok(upstream)
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

impl Handler for Upstream {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, mut body) = request.into_parts();
        match self.base.of(&parts.uri) {
            Ok(uri) => parts.uri = uri,
            Err(error) => return answer(StatusCode::BAD_REQUEST, error.to_string()),
        }
        let in_flight = parts.extensions.remove::<InFlight>();
        let upgrade = Upgrade::asked(&parts.headers, &mut parts.extensions);
        strip(&mut parts.headers);
        // Whoever expects to go on was told so by us.
        parts.headers.remove(header::EXPECT);
        if let Some(upgrade) = &upgrade {
            upgrade.announce(&mut parts.headers);
        }
        if self.buffers {
            body = match body.collect().await {
                Ok(body) => full(body.to_bytes()),
                Err(error) => return broken_body(&error),
            };
        }
        let mut response = match self.client.request(Request::from_parts(parts, body)).await {
            Err(error) if is_slow_body(&error) => {
                return answer(StatusCode::REQUEST_TIMEOUT, crate::NO_PROGRESS);
            }
            Err(error) => {
                let text = format!("the program broke off: {}", chain(&error));
                tracing::error!("{text}");
                return answer(StatusCode::BAD_GATEWAY, text);
            }
            Ok(response) => response,
        };
        strip(response.headers_mut());
        // The program's version is not ours.
        *response.version_mut() = Version::HTTP_11;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(upgrade) = upgrade else {
                let text = "the program changed its protocol, which nobody had asked for";
                return answer(StatusCode::BAD_GATEWAY, text);
            };
            upgrade.join(&mut response, in_flight);
            return response.map(|_| Body::default());
        }
        response.map(|body| body.map_err(BodyError::from).boxed())
    }

    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn hurry(&self) {
        // Servers finish what they have when they are asked to end.
        self.ending.cancel();
    }

    fn patience(&self) -> Duration {
        self.programs.patience()
    }

    async fn end(&self) {
        self.ending.cancel();
        // It leaves what it kept to those that are ended now.
        self.keeper.close();
        self.keeper.wait().await;
        self.programs.end().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_calls_are_behind_that_of_the_server() {
        let of = |base: &str, call: &str| {
            let base = Base::read(base).unwrap();
            base.of(&call.parse().unwrap()).unwrap().to_string()
        };
        for (base, call, goes) in [
            (
                "http://127.0.0.1:5000",
                "/a?b=1",
                "http://127.0.0.1:5000/a?b=1",
            ),
            ("http://127.0.0.1:5000/", "/", "http://127.0.0.1:5000/"),
            ("http://h/base/", "/a", "http://h:80/base/a"),
            ("https://[::1]/base", "/%20?", "https://[::1]:443/base/%20?"),
            ("http://h:1", "http://other/x", "http://h:1/x"),
        ] {
            assert_eq!(of(base, call), goes, "{base} {call}");
        }
        for bad in [
            "127.0.0.1:5000",
            "unix:/run/x",
            "ftp://h/",
            "http://h/?q=1",
            "/x",
        ] {
            assert!(Base::read(bad).is_err(), "{bad}");
        }
    }
}
