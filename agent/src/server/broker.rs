//! Service `Broker`.

use crate::{
    broker::{Backend, BrokerSpec, BrokerStats},
    error::AgentError,
    state::AgentState,
};
use continuum_proto as wire;
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub(super) struct Service(pub(super) Arc<AgentState>);

impl Service {
    fn stats(&self, stats: BrokerStats) -> wire::BrokerStatsResponse {
        let rss_bytes = self.0.metrics.last().map_or(0, |s| s.broker_rss_bytes);
        let counters = stats.counters;
        let (backend, listen) = stats.spec.map_or_else(Default::default, |spec| {
            (spec.backend.name().to_owned(), spec.listen.to_string())
        });
        wire::BrokerStatsResponse {
            running: stats.pid.is_some(),
            backend,
            listen,
            pid: stats.pid.unwrap_or_default(),
            restarts: stats.restarts,
            rss_bytes,
            connections: counters.map(|c| c.connections),
            publishes: counters.map(|c| c.publishes),
            failed_publishes: counters.map(|c| c.failed_publishes),
        }
    }
}

fn spec(request: &wire::StartBrokerRequest) -> Result<BrokerSpec, AgentError> {
    let listen = request.listen.parse().map_err(|_| {
        AgentError::Invalid(format!(
            "`{}` is not address:port",
            request.listen.escape_debug()
        ))
    })?;
    for (name, value, high) in [
        ("max_connections", request.max_connections, 100_000),
        ("max_payload_bytes", request.max_payload_bytes, 256 << 20),
    ] {
        if value == 0 || value > high {
            return Err(AgentError::Invalid(format!(
                "{name} is {value}, allowed are 1 to {high}"
            )));
        }
    }
    Ok(BrokerSpec {
        backend: Backend::from_name(&request.backend)?,
        listen,
        max_connections: request.max_connections,
        max_payload_bytes: request.max_payload_bytes,
    })
}

#[tonic::async_trait]
impl wire::broker_server::Broker for Service {
    async fn start(
        &self,
        request: Request<wire::StartBrokerRequest>,
    ) -> Result<Response<wire::StartBrokerResponse>, Status> {
        let stats = self.0.broker.start(spec(&request.into_inner())?).await?;
        Ok(Response::new(wire::StartBrokerResponse {
            stats: Some(self.stats(stats)),
        }))
    }

    async fn stop(
        &self,
        _request: Request<wire::StopBrokerRequest>,
    ) -> Result<Response<wire::StopBrokerResponse>, Status> {
        self.0.broker.stop().await;
        Ok(Response::new(wire::StopBrokerResponse {}))
    }

    async fn stats(
        &self,
        _request: Request<wire::BrokerStatsRequest>,
    ) -> Result<Response<wire::BrokerStatsResponse>, Status> {
        Ok(Response::new(self.stats(self.0.broker.stats())))
    }
}
