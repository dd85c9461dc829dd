//! The REST API: one file for each part of it.

mod functions;
mod info;
mod invoke;
mod logs;
mod namespaces;
mod queue;
mod scale;
mod secrets;

use crate::{
    auth::{self, Credentials},
    error::ApiError,
    proxy::Proxy,
    queue::Queue,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post},
};
use http::StatusCode;
use std::{sync::Arc, time::Instant};

/// Bodies of the API itself; those of functions have a limit of their own.
const MAX_API_BODY_BYTES: usize = 2 << 20;

/// What handlers need.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) queue: Queue,
    /// For logs, which may be silent for long.
    pub(crate) streams: kube::Client,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// `?namespace=`.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct InNamespace {
    namespace: Option<String>,
}

impl Context {
    /// For tests, which bring a cluster.
    #[cfg(test)]
    fn of_cluster(client: kube::Client) -> anyhow::Result<Self> {
        let proxy = Proxy {
            config: clap::Parser::parse_from(["gateway"]),
            registry: Arc::default(),
            metrics: crate::metrics::Metrics::new()?,
            client: client.clone(),
            http: crate::proxy::http_client(),
        };
        Ok(Self {
            proxy: Arc::new(proxy),
            queue: Queue::new(client.clone(), "openfaas", 1).0,
            streams: client,
        })
    }

    fn client(&self) -> kube::Client {
        self.proxy.client.clone()
    }

    /// The namespace that is meant, which must be one of functions.
    async fn namespace(&self, given: Option<&str>) -> Result<String, ApiError> {
        let default = &self.proxy.config.function_namespace;
        match given.filter(|n| !n.is_empty() && n != default) {
            None => Ok(default.clone()),
            Some(other) => namespaces::require(self, other).await,
        }
    }
}

/// Everything on the API's address.
pub(crate) fn router(context: Context, credentials: Credentials) -> Router {
    let system = Router::new()
        .route(
            "/system/functions",
            get(functions::list)
                .post(functions::deploy)
                .put(functions::update)
                .delete(functions::remove),
        )
        .route("/system/function/{name}", get(functions::status))
        .route("/system/scale-function/{name}", post(scale::scale))
        .route(
            "/system/secrets",
            get(secrets::list)
                .post(secrets::create)
                .put(secrets::replace)
                .delete(secrets::remove),
        )
        .route("/system/namespaces", get(namespaces::list))
        .route("/system/namespace/", post(namespaces::create))
        .route(
            "/system/namespace/{name}",
            get(namespaces::get)
                .post(namespaces::create)
                .put(namespaces::update)
                .delete(namespaces::remove),
        )
        .route("/system/logs", get(logs::logs))
        .route("/system/info", get(info::info))
        .layer(DefaultBodyLimit::max(MAX_API_BODY_BYTES))
        .layer(middleware::from_fn_with_state(credentials, auth::require));
    let queue = Router::new()
        .route("/async-function/{name}", post(queue::put))
        .route("/async-function/{name}/", post(queue::put))
        .route("/async-function/{name}/{*path}", post(queue::put));
    let measured = system
        .merge(queue)
        .layer(middleware::from_fn_with_state(context.clone(), measure));
    Router::new()
        .merge(measured)
        .route("/healthz", get(info::healthz))
        .route("/function/{name}", any(invoke::invoke))
        .route("/function/{name}/", any(invoke::invoke))
        .route("/function/{name}/{*path}", any(invoke::invoke))
        .fallback(async || ApiError::not_found("there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address knows no such method",
            )
        })
        .with_state(context)
}

/// Each request of the API and each call for the queue is counted and timed under its route.
async fn measure(
    State(context): State<Context>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    // `/system/function/{name}` is one address, whatever the name is.
    let route = route.as_str();
    let path = route.split_once("/{").map_or(route, |(path, _)| path);
    let path = path.trim_end_matches('/');
    let method = request.method().clone();
    let begun = Instant::now();
    let response = next.run(request).await;
    let (code, took) = (response.status().as_u16(), begun.elapsed());
    let metrics = &context.proxy.metrics;
    metrics.request(code, method.as_str(), path, took);
    if path.starts_with("/system/") {
        metrics.provider_request(code, method.as_str(), path, took);
    }
    response
}
