//! Where the time of one photo went.

use super::{clock::ClockOffset, photo_times::PhotoTimes, time::EndpointTime};
use continuum_workload_core::photo_sample::Sample;

/// The latency that counts for an open loop: from when a photo was due, whatever became of those before it.
pub const END_TO_END: &str = "end_to_end_from_due";

pub const GENERATE: &str = "1_generate";
pub const UPLINK: &str = "2_uplink";
pub const QUEUE: &str = "3_queue";
pub const DECODE: &str = "4_decode";
pub const INFER: &str = "5_infer";
/// What is left between the class and the way of the answer: it has no place among percentiles.
pub const REPLY: &str = "5_reply";
pub const DOWNLINK: &str = "6_downlink";

/// Stages from one node to another: they are as wrong as the difference of two clocks is.
pub const OF_TWO_CLOCKS: [&str; 2] = [UPLINK, DOWNLINK];

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
        (GENERATE, at.sent.ns_since(at.due)),
        (QUEUE, at.dequeued.ns_since(at.received)),
        (DECODE, at.decoded.ns_since(at.dequeued)),
        (INFER, at.classified.ns_since(at.decoded)),
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

/// Length of [`REPLY`] of a photo that was classified, nanoseconds. With it all stages add up to [`END_TO_END`].
pub fn reply_ns(sample: &Sample, way: Way) -> i64 {
    let at = PhotoTimes::from(sample);
    match way {
        Way::Alone => at.answered.ns_since(at.sent) - at.classified.ns_since(at.received),
        // On its way back.
        Way::Function => 0,
        Way::Worker { .. } => at.replied.ns_since(at.classified),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_workload_core::header::WorkerStages;

    #[test]
    fn stages_and_reply_add_up_on_every_way() {
        let sample = Sample {
            due_ns: 100,
            sent_ns: 110,
            stages: WorkerStages {
                received_unix_ns: 5030,
                dequeued_unix_ns: 5035,
                decoded_unix_ns: 5045,
                classified_unix_ns: 5075,
                replied_unix_ns: 5077,
            },
            answered_ns: 200,
            ..Sample::default()
        };
        let worker = ClockOffset {
            offset_ns: 4900,
            error_ns: 0,
        };
        let endpoint = ClockOffset::default();
        for way in [Way::Alone, Way::Function, Way::Worker { worker, endpoint }] {
            let stages = stages_ns(&sample, way).into_iter();
            let stages = stages.filter(|(name, _)| *name != END_TO_END);
            let sum: i64 = stages.map(|(_, ns)| ns).sum();
            assert_eq!(sum + reply_ns(&sample, way), 100, "{way:?}");
        }
    }
}
