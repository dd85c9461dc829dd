//! The wire: TLS, the services, their life and end. Wire types are named only below this module, and in
//! `metrics`: what is sampled is sent as it is.

mod broker;
mod clock;
mod convert;
mod install;
mod metrics;
mod network;
mod node;
mod tls;
mod verify;
mod workload;

use crate::{
    config::AgentConfig, error::AgentError, logs::LogRing, metrics as metrics_ring,
    state::AgentState,
};
use continuum_proto as wire;
use futures_util::Stream;
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Request, Status,
    transport::{Server, server::TcpIncoming},
};

/// Answers that come in pieces.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// For the headers of an answer; streams then go on as long as they like.
const REQUEST_DEADLINE: Duration = Duration::from_mins(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const STREAMS_PER_CONNECTION: u32 = 256;
/// Requests larger than this are refused; files come in chunks.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Open streams get this long after the agent was told to end.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until cancelled or told to end by the controller.
pub async fn serve(
    config: AgentConfig,
    logs: Arc<LogRing>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    // Before anything is opened: without its TLS material an agent does not start.
    tls::load(&config)?;
    let listen = config.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::AddrInUse => AgentError::InUse(listen),
            _ => AgentError::Serve {
                listen,
                source: Box::new(e),
            },
        })?;
    std::fs::create_dir_all(&config.data_dir)
        .map_err(AgentError::file("create", &config.data_dir))?;
    let state = Arc::new(AgentState::new(config, logs, shutdown)?);
    // The controller sees that they are missing, and `up` applies them again.
    if let Err(error) = state.network.restore().await {
        tracing::error!("links are not as before: {}", crate::error::chain(&error));
    }
    serve_on(listener, state).await
}

async fn serve_on(listener: TcpListener, state: Arc<AgentState>) -> Result<(), AgentError> {
    let listen = state.config.listen;
    let shutdown = state.shutdown.clone();
    let tracker = TaskTracker::new();
    tracker.spawn(metrics_ring::run_sampler(
        Arc::clone(&state),
        shutdown.clone(),
    ));
    tracing::info!("agent of node {} serves on {listen}", state.config.node);
    let result = match server(&state, listener).await {
        Ok(server) => {
            tracker.spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!("{}", crate::error::chain(&error));
                }
            });
            shutdown.cancelled().await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    shutdown.cancel();
    tracing::info!("ending: runs and broker first");
    state.workloads.stop_all("the agent was told to end").await;
    state.broker.stop().await;
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!(
            "some connections were still open after {} s",
            GRACE.as_secs()
        );
    }
    result
}

async fn server(
    state: &Arc<AgentState>,
    listener: TcpListener,
) -> Result<impl Future<Output = Result<(), AgentError>> + use<>, AgentError> {
    let listen = state.config.listen;
    let shutdown = state.shutdown.clone();
    // Too many open files, for instance: others may close theirs. tonic would end with such an error.
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .then(|accepted| async {
            if let Err(error) = &accepted {
                tracing::warn!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            accepted
        })
        .filter(Result::is_ok);
    let error =
        move |e: Box<dyn std::error::Error + Send + Sync>| AgentError::Serve { listen, source: e };
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<wire::node_server::NodeServer<node::Service>>()
        .await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let contact = state.contact.clone();
    let touch = move |request: Request<()>| -> Result<Request<()>, Status> {
        contact.touch();
        Ok(request)
    };
    let touch = tonic::service::InterceptorLayer::new(touch);
    let s = || Arc::clone(state);
    let router = Server::builder()
        .tls_config(tls::load(&state.config)?)
        .map_err(|e| error(Box::new(e)))?
        .timeout(REQUEST_DEADLINE)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(Some(STREAMS_PER_CONNECTION))
        .layer(touch)
        .add_service(health_service)
        .add_service(reflection().build_v1().map_err(|e| error(Box::new(e)))?)
        .add_service(
            reflection()
                .build_v1alpha()
                .map_err(|e| error(Box::new(e)))?,
        )
        .add_service(
            wire::node_server::NodeServer::new(node::Service(s()))
                .max_decoding_message_size(MESSAGE_BYTES),
        )
        .add_service(wire::clock_server::ClockServer::new(clock::Service(s())))
        .add_service(
            wire::install_server::InstallServer::new(install::Service(s()))
                .max_decoding_message_size(MESSAGE_BYTES),
        )
        .add_service(wire::network_server::NetworkServer::new(network::Service(
            s(),
        )))
        .add_service(wire::broker_server::BrokerServer::new(broker::Service(s())))
        .add_service(wire::workload_server::WorkloadServer::new(
            workload::Service(s()),
        ))
        .add_service(wire::verify_server::VerifyServer::new(
            verify::Service::new(s()),
        ))
        .add_service(wire::metrics_server::MetricsServer::new(metrics::Service(
            s(),
        )));
    Ok(async move {
        let stop = async move {
            shutdown.cancelled().await;
            health
                .set_not_serving::<wire::node_server::NodeServer<node::Service>>()
                .await;
        };
        router
            .serve_with_incoming_shutdown(incoming, stop)
            .await
            .map_err(|e| error(Box::new(e)))
    })
}

/// A channel whose receiving end is the answer of a streaming call.
pub(crate) fn answer_channel<T: Send + 'static>() -> (mpsc::Sender<Result<T, Status>>, Answers<T>) {
    let (sender, receiver) = mpsc::channel(64);
    (sender, Box::pin(ReceiverStream::new(receiver)))
}
