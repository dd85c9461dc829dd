//! When what happened to a photo, by the clocks of its endpoint and of its worker.

use super::time::{EndpointTime, WorkerTime};
use continuum_workload_core::photo_sample::Sample;

/// Of one photo. What did not happen has the time of 1970.
#[derive(Debug, Clone, Copy)]
pub struct PhotoTimes {
    pub due: EndpointTime,
    pub begun: EndpointTime,
    pub sent: EndpointTime,
    pub received: WorkerTime,
    pub dequeued: WorkerTime,
    pub decoded: WorkerTime,
    pub classified: WorkerTime,
    pub replied: WorkerTime,
    pub answered: EndpointTime,
}

impl From<&Sample> for PhotoTimes {
    fn from(sample: &Sample) -> Self {
        let (endpoint, worker) = (EndpointTime::from_unix_ns, WorkerTime::from_unix_ns);
        let stages = &sample.stages;
        Self {
            due: endpoint(sample.due_ns),
            begun: endpoint(sample.begun_ns),
            sent: endpoint(sample.sent_ns),
            received: worker(stages.received_unix_ns),
            dequeued: worker(stages.dequeued_unix_ns),
            decoded: worker(stages.decoded_unix_ns),
            classified: worker(stages.classified_unix_ns),
            replied: worker(stages.replied_unix_ns),
            answered: endpoint(sample.answered_ns),
        }
    }
}

impl PhotoTimes {
    /// How late its endpoint began with it.
    pub fn slip_ns(&self) -> i64 {
        self.begun.ns_since(self.due)
    }

    /// From the queue to the class.
    pub fn processing_ns(&self) -> i64 {
        self.classified.ns_since(self.dequeued)
    }
}
