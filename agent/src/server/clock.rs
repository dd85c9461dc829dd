//! Service `Clock`.

use crate::{clock, error::AgentError, state::AgentState};
use continuum_proto as wire;
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub(super) struct Service(pub(super) Arc<AgentState>);

#[tonic::async_trait]
impl wire::clock_server::Clock for Service {
    async fn exchange(
        &self,
        _request: Request<wire::ClockExchangeRequest>,
    ) -> Result<Response<wire::ClockExchangeResponse>, Status> {
        let received_unix_ns = clock::now_unix_ns();
        Ok(Response::new(wire::ClockExchangeResponse {
            received_unix_ns,
            sent_unix_ns: clock::now_unix_ns(),
        }))
    }

    async fn adjust(
        &self,
        request: Request<wire::ClockAdjustRequest>,
    ) -> Result<Response<wire::ClockAdjustResponse>, Status> {
        if !self.0.config.own_machine {
            return Err(AgentError::Unsupported {
                doing: "set the clock",
                why: "it shares its machine with others",
            }
            .into());
        }
        let by_ns = request.into_inner().by_ns;
        clock::adjust(by_ns)?;
        let text = format!("set by {:+.3} ms", by_ns as f64 / 1e6);
        self.0.metrics.event("clock", text);
        Ok(Response::new(wire::ClockAdjustResponse {}))
    }
}
