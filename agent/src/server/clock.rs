//! Service `Clock`.

use crate::clock;
use continuum_proto as wire;
use tonic::{Request, Response, Status};

pub(super) struct Service;

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

    async fn step(
        &self,
        request: Request<wire::ClockStepRequest>,
    ) -> Result<Response<wire::ClockStepResponse>, Status> {
        let offset_ns = request.into_inner().offset_ns;
        let now_unix_ns = clock::step(offset_ns)?;
        tracing::info!("clock stepped by {offset_ns} ns");
        Ok(Response::new(wire::ClockStepResponse { now_unix_ns }))
    }
}
