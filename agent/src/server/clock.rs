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
}
