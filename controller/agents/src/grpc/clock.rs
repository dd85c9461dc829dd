//! How far a node's clock is ahead of ours, from timestamps that both exchange.

use super::{CALL_DEADLINE, GrpcAgent};
use continuum_host::error::Error;
use continuum_model::ClockOffset;
use continuum_proto as wire;
use continuum_workload_core::clock::AnchoredClock;

const EXCHANGES: u32 = 15;

fn now_unix_ns() -> i64 {
    AnchoredClock::start().now_unix_ns()
}

impl GrpcAgent {
    /// Of several exchanges the one with the shortest round trip, which bounds the error.
    pub(super) async fn measure_clock_offset(&self) -> Result<ClockOffset, Error> {
        let mut client = wire::clock_client::ClockClient::new(self.channel.clone());
        let mut best: Option<ClockOffset> = None;
        for _ in 0..EXCHANGES {
            let sent = now_unix_ns();
            let call = client.exchange(wire::ClockExchangeRequest {});
            let answer = self
                .call("tell the time", CALL_DEADLINE, call)
                .await?
                .into_inner();
            let received = now_unix_ns();
            let round_trip = (received - sent) - (answer.sent_unix_ns - answer.received_unix_ns);
            let offset_ns = i64::midpoint(
                answer.received_unix_ns - sent,
                answer.sent_unix_ns - received,
            );
            let measured = ClockOffset {
                offset_ns,
                error_ns: round_trip / 2,
            };
            if best.is_none_or(|b| measured.error_ns < b.error_ns) {
                best = Some(measured);
            }
        }
        Ok(best.unwrap_or_default())
    }
}
