//! How far a node's clock is ahead of ours, from timestamps that both exchange.

use super::{CALL_DEADLINE, GrpcAgent};
use continuum_host::error::Error;
use continuum_model::{ClockOffset, ControllerClock, NodeTime};
use continuum_proto as wire;

const EXCHANGES: u32 = 15;

impl GrpcAgent {
    /// Of several exchanges the one with the shortest round trip, which bounds the error.
    pub(super) async fn measure_clock_offset(&self) -> Result<ClockOffset, Error> {
        let mut client = wire::clock_client::ClockClient::new(self.channel.clone());
        let clock = ControllerClock::start();
        let mut best: Option<ClockOffset> = None;
        for _ in 0..EXCHANGES {
            let sent = clock.now();
            let call = client.exchange(wire::ClockExchangeRequest {});
            let answer = self
                .call("tell the time", CALL_DEADLINE, call)
                .await?
                .into_inner();
            let measured = ClockOffset::measured(
                sent,
                NodeTime::from_unix_ns(answer.received_unix_ns),
                NodeTime::from_unix_ns(answer.sent_unix_ns),
                clock.now(),
            );
            if best.is_none_or(|b| measured.error_ns < b.error_ns) {
                best = Some(measured);
            }
        }
        Ok(best.unwrap_or_default())
    }
}
