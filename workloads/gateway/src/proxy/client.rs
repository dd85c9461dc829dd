//! Connections to replicas, kept and used again.

use super::body::Shared;
use continuum_http_service::MAX_HEADERS;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::time::Duration;

pub(crate) type HttpClient = Client<HttpConnector, Shared>;

/// A pod that is gone answers nothing at all; the next one is tried.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Below what servers commonly allow, of which five seconds is the least, so that they are not the ones who close.
const IDLE: Duration = Duration::from_secs(4);

pub(crate) fn new() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_DEADLINE));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(256)
        .http1_max_headers(MAX_HEADERS)
        .build(connector)
}
