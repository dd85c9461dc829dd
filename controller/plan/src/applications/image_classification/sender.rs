//! Who sends photos, and to whom.

use continuum_model::{
    Clocks, EndpointTime, Mode, NodeRun, Phase, PhotoTimes, Way, clock_offset, is_classified,
    is_warm_up,
};
use continuum_workload_core::photo_sample::Sample;

/// An endpoint's run with the worker that it sends to, which functions and endpoints alone do not have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) run: &'a NodeRun,
    pub(super) worker: Option<&'a NodeRun>,
    pub(super) way: Way,
    /// When its first photo was due.
    begun: EndpointTime,
    warm_up_s: f64,
}

impl<'a> Sender<'a> {
    /// Of all runs.
    pub(super) fn all(
        mode: Mode,
        runs: &'a [NodeRun],
        clocks: &Clocks,
        warm_up_s: f64,
    ) -> Vec<Self> {
        let of_phase = |phase| runs.iter().filter(move |run| run.plan.phase == phase);
        let sender = |run: &'a NodeRun| {
            let index = run.plan.connected_to.unwrap_or_default();
            let worker = of_phase(Phase::Worker).nth(index);
            let worker = worker.filter(|_| mode != Mode::Endpoint);
            let way = match worker {
                _ if mode == Mode::Endpoint => Way::Alone,
                None => Way::Function,
                Some(worker) => Way::Worker {
                    worker: clock_offset(clocks, &worker.plan.node),
                    endpoint: clock_offset(clocks, &run.plan.node),
                },
            };
            let due = run.samples.iter().map(|s| PhotoTimes::from(s).due);
            Self {
                run,
                worker,
                way,
                begun: due.min().unwrap_or_default(),
                warm_up_s,
            }
        };
        of_phase(Phase::Endpoint).map(sender).collect()
    }

    /// Photos that were classified, those of the warm-up too.
    pub(super) fn classified(&self) -> impl Iterator<Item = &'a Sample> {
        self.run.samples.iter().filter(|s| is_classified(s))
    }

    /// Whether a photo counts in no percentile.
    pub(super) fn is_warm_up(&self, sample: &Sample) -> bool {
        is_warm_up(sample, self.begun, self.warm_up_s)
    }

    /// How well the difference of both clocks is known, if two are compared.
    pub(super) fn clock_error_ns(&self) -> i64 {
        match self.way {
            Way::Alone | Way::Function => 0,
            Way::Worker { worker, endpoint } => worker.error_ns + endpoint.error_ns,
        }
    }
}
