//! Functions that are servers in this process.

use bytes::Bytes;
use clap::Parser;
use continuum_watchdog::{Body, Handler, config::Config, serve};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Answer = dyn Fn(http::request::Parts, Bytes) -> Response<Body> + Send + Sync;

/// Answers with what a closure gives, after the whole body is there.
pub(crate) struct Closure(Arc<Answer>);

impl Handler for Closure {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        (self.0)(parts, body)
    }
}

/// Sends the body back as it comes.
pub(crate) struct Echo;

impl Handler for Echo {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.body_mut() = request.into_body();
        response
    }
}

/// Answers after a while.
pub(crate) struct Slow(pub(crate) std::time::Duration);

impl Handler for Slow {
    async fn call(&self, _request: Request<Body>) -> Response<Body> {
        tokio::time::sleep(self.0).await;
        continuum_watchdog::answer(http::StatusCode::OK, "slept")
    }
}

/// Counts calls as they begin.
pub(crate) struct Counted<H>(pub(crate) Arc<AtomicU32>, pub(crate) H);

impl<H: Handler> Handler for Counted<H> {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.call(request).await
    }
}

/// A replica that runs until this is dropped.
pub(crate) struct Replica {
    stop: CancellationToken,
}

impl Replica {
    /// It takes no new connection, and finishes what it has.
    pub(crate) fn end(&self) {
        self.stop.cancel();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn start<H: Handler>(
    address: Ipv4Addr,
    port: u16,
    handler: H,
) -> anyhow::Result<Replica> {
    let listener = TcpListener::bind((address, port)).await?;
    let stop = CancellationToken::new();
    let config = Config::try_parse_from(["function", "--healthcheck-interval=200ms"])?;
    tokio::spawn(serve(config, listener, handler, stop.clone()));
    Ok(Replica { stop })
}

pub(crate) fn closure(
    answer: impl Fn(http::request::Parts, Bytes) -> Response<Body> + Send + Sync + 'static,
) -> Closure {
    Closure(Arc::new(answer))
}

pub(crate) fn text(text: impl Into<String>) -> Response<Body> {
    Response::new(continuum_watchdog::full(text.into()))
}
