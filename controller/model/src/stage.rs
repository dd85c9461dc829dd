//! Where the time of one photo went.

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
    /// By a worker.
    Worker {
        /// Its clock minus the endpoint's, nanoseconds.
        ahead_ns: i64,
    },
}

/// Answered with a class: what could not be decoded comes back fast, and would make the rest look better.
pub fn is_classified(sample: &Sample) -> bool {
    sample.is_answered() && sample.class >= 0
}

/// Due in the first seconds of the endpoint's load, whose photos count in no percentile.
pub fn is_warm_up(sample: &Sample, begun_ns: i64, warm_up_s: f64) -> bool {
    ((sample.due_ns - begun_ns) as f64) < warm_up_s * 1e9
}

/// Length of each stage of a photo that was classified, nanoseconds; below zero where clocks differ by more than was
/// measured.
pub fn stages_ns(sample: &Sample, way: Way) -> Vec<(&'static str, i64)> {
    let at = &sample.stages;
    let mut stages = vec![
        (END_TO_END, sample.answered_ns - sample.due_ns),
        ("1_generate", sample.sent_ns - sample.due_ns),
        ("3_queue", at.dequeued_unix_ns - at.received_unix_ns),
        ("4_decode", at.decoded_unix_ns - at.dequeued_unix_ns),
        ("5_infer", at.classified_unix_ns - at.decoded_unix_ns),
    ];
    match way {
        Way::Alone => {}
        Way::Function => {
            let inside = at.classified_unix_ns - at.received_unix_ns;
            let outside = sample.answered_ns - sample.sent_ns - inside;
            stages.push(("2_way_and_back", outside));
        }
        Way::Worker { ahead_ns } => {
            let uplink = at.received_unix_ns - sample.sent_ns - ahead_ns;
            let downlink = sample.answered_ns - at.replied_unix_ns + ahead_ns;
            stages.extend([(UPLINK, uplink), (DOWNLINK, downlink)]);
        }
    }
    stages
}
