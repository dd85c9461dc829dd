//! Connections, from the first to the last.

use crate::{
    auth::Credentials,
    config::Config,
    kubernetes::Clients,
    metrics::Metrics,
    proxy::{self, Proxy},
    queue::{self, Queue},
    registry::{self, FunctionRegistry},
    routes::{self, Context},
    scaler,
    usage::Usage,
};
use anyhow::Context as _;
use axum::{Router, routing::get};
use continuum_http_service::{Limits, accept};
use hyper_util::service::TowerToHyperService;
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves until `stop`; calls in flight, those of the queue too, are finished then.
///
/// # Errors
/// An address that cannot be had, credentials that cannot be read.
pub async fn serve(
    config: Config,
    clients: Clients,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let credentials = if config.basic_auth {
        Credentials::read(&config.secret_mount_path)?
    } else {
        Credentials::nobody_asks()
    };
    let listen = |address| async move {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}"))
    };
    let listener = listen(config.listen).await?;
    let metrics_listener = listen(config.metrics_listen).await?;
    let metrics = Metrics::new()?;
    let registry = Arc::new(FunctionRegistry::default());
    let proxy = Arc::new(Proxy {
        config: config.clone(),
        registry: Arc::clone(&registry),
        metrics: metrics.clone(),
        client: clients.asks.clone(),
        http: proxy::http_client(),
    });
    let (queue, calls) = Queue::new(
        clients.asks.clone(),
        &config.queue_namespace,
        config.max_queued,
    );
    let context = Context {
        proxy: Arc::clone(&proxy),
        queue: queue.clone(),
        streams: clients.streams.clone(),
    };
    let router = routes::router(context, credentials);
    let usage = Usage::new(clients.asks.clone(), Arc::clone(&registry), metrics.clone());
    let usage = Arc::new(usage);
    let metrics_router = Router::new()
        .route("/metrics", get(async move || usage.text().await))
        .route("/healthz", get(async || "OK"));
    let limits = Limits {
        connections: config.max_connections,
        silence: config.read_timeout,
    };
    let serve = |listener, router: Router, stop: CancellationToken| {
        let longest = config.upstream_timeout + Duration::from_secs(1);
        let service = TowerToHyperService::new(router);
        async move { accept(listener, service, limits, stop.cancelled(), longest).await }
    };
    tracing::info!(
        "listening on {}, metrics on {}",
        config.listen,
        config.metrics_listen
    );
    let calls = async {
        tokio::join!(
            serve(listener, router, stop.clone()),
            queue::run(queue, calls, proxy, config.clone(), stop.clone()),
        )
    };
    let registry_is_current = registry::keep_current(clients.streams, Arc::clone(&registry));
    let scaling = scaler::run(config.clone(), registry, metrics, clients.asks);
    // What calls need ends after the last of them.
    tokio::select! {
        _ = calls => {}
        () = registry_is_current => {}
        () = scaling => {}
        () = serve(metrics_listener, metrics_router, CancellationToken::new()) => {}
    }
    Ok(())
}
