//! Where the time of one photo went.

use super::{clock::ClockOffset, photo_times::PhotoTimes, time::EndpointTime};
use continuum_workload_core::photo_sample::Sample;

/// The latency that counts for an open loop: from when a photo was due, whatever became of those before it.
pub const END_TO_END: &str = "end_to_end_from_due";

/// Stages from one node to another: they are as wrong as the difference of two clocks is.
pub const OF_TWO_CLOCKS: [&str; 2] = [UPLINK, DOWNLINK];
const UPLINK: &str = "2_uplink";
const DOWNLINK: &str = "6_downlink";

/// How photos of an endpoint come to be classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On the endpoint itself.
    Alone,
    /// By a function on any node: what is not spent in it is the way there and back, by one clock each.
    Function,
    Worker {
        worker: ClockOffset,
        endpoint: ClockOffset,
    },
}

/// Answered with a class: what could not be decoded comes back fast, and would make the rest look better.
pub fn is_classified(sample: &Sample) -> bool {
    sample.is_answered() && sample.class >= 0
}

/// Due in the first seconds of the endpoint's load, whose photos count in no percentile.
pub fn is_warm_up(sample: &Sample, begun: EndpointTime, warm_up_s: f64) -> bool {
    PhotoTimes::from(sample).due.s_since(begun) < warm_up_s
}

/// Length of each stage of a photo that was classified, nanoseconds; below zero where clocks differ by more than was
/// measured.
pub fn stages_ns(sample: &Sample, way: Way) -> Vec<(&'static str, i64)> {
    let at = PhotoTimes::from(sample);
    let mut stages = vec![
        (END_TO_END, at.answered.ns_since(at.due)),
        ("1_generate", at.sent.ns_since(at.due)),
        ("3_queue", at.dequeued.ns_since(at.received)),
        ("4_decode", at.decoded.ns_since(at.dequeued)),
        ("5_infer", at.classified.ns_since(at.decoded)),
    ];
    match way {
        Way::Alone => {}
        Way::Function => {
            let inside = at.classified.ns_since(at.received);
            let outside = at.answered.ns_since(at.sent) - inside;
            stages.push(("2_way_and_back", outside));
        }
        Way::Worker { worker, endpoint } => {
            let (sent, answered) = (
                endpoint.to_controller(at.sent),
                endpoint.to_controller(at.answered),
            );
            let received = worker.to_controller(at.received);
            let replied = worker.to_controller(at.replied);
            stages.extend([
                (UPLINK, received.ns_since(sent)),
                (DOWNLINK, answered.ns_since(replied)),
            ]);
        }
    }
    stages
}
