//! Connections, from the first to the last.

use crate::{
    auth::Credentials,
    config::Config,
    metrics::Metrics,
    proxy::{self, Proxy},
    queue::{self, Queue},
    routes::{self, Context},
    scaler,
    world::{self, World},
};
use anyhow::Context as _;
use axum::{Router, routing::get};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// Before a socket is asked again that gave an error, as one without free file descriptors does.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; calls in flight are finished then.
///
/// # Errors
/// An address that cannot be had, credentials that cannot be read.
pub async fn serve(
    config: Config,
    client: kube::Client,
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
    let world = Arc::new(World::default());
    let proxy = Arc::new(Proxy {
        config: config.clone(),
        world: Arc::clone(&world),
        metrics: metrics.clone(),
        client: client.clone(),
        http: proxy::http_client(),
    });
    let (queue, calls) = Queue::new(client.clone(), &config.queue_namespace, config.max_queued);
    let context = Context {
        proxy: Arc::clone(&proxy),
        queue: queue.clone(),
    };
    let router = routes::router(context, credentials);
    let text = metrics.clone();
    let metrics_router = Router::new()
        .route("/metrics", get(async move || text.text()))
        .route("/healthz", get(async || "OK"));
    let work = async {
        tokio::join!(
            world::keep_current(client.clone(), Arc::clone(&world)),
            scaler::run(config.clone(), Arc::clone(&world), metrics, client.clone()),
            queue::run(queue, calls, proxy, config.clone()),
        )
    };
    tracing::info!(
        "listening on {}, metrics on {}",
        config.listen,
        config.metrics_listen
    );
    let never = CancellationToken::new();
    // What keeps the world current ends after the last call that needs it.
    tokio::select! {
        _ = work => {}
        () = accept(listener, router, &config, &stop) => {}
        () = accept(metrics_listener, metrics_router, &config, &never) => {}
    }
    Ok(())
}

/// Serves connections; after `stop` no new ones, and returns when the last call is answered.
async fn accept(listener: TcpListener, router: Router, config: &Config, stop: &CancellationToken) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(config.max_connections));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (listener.accept().await, slot)
            } => accepted,
        };
        let (stream, slot) = match accepted {
            (Ok((stream, _)), Ok(slot)) => (stream, slot),
            (Err(error), _) => {
                tracing::warn!("accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            (_, Err(_)) => break,
        };
        stream.set_nodelay(true).ok();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Who opens a connection and says nothing does not keep it.
            .header_read_timeout(config.read_timeout)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("connection: {error}");
            }
            drop(slot);
        });
    }
    drop(listener);
    let longest = config.upstream_timeout + Duration::from_secs(1);
    tokio::time::timeout(longest, graceful.shutdown())
        .await
        .ok();
}
