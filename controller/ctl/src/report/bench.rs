//! Everything that a run left.

use continuum_agents::AppliedTrace;
use continuum_model::{
    ClockTrack, Clocks, ControllerTime, FunctionSample, MetricsBatch, NodeRun, PodRecord, Report,
    Verification,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a run left.
#[derive(Debug)]
pub struct Bench {
    /// Tables and judgement.
    pub report: Report,
    /// Runs with their raw data.
    pub runs: Vec<NodeRun>,
    pub metrics: BTreeMap<String, NodeMetrics>,
    /// Clocks before and after, by node.
    pub clocks: Clocks,
    /// How clocks ran meanwhile, by node.
    pub clock_tracks: BTreeMap<String, ClockTrack>,
    /// When it began.
    pub begun_unix_ns: ControllerTime,
    /// When its load began, from where a timeline counts; when it began if it came to no load.
    pub load_unix_ns: ControllerTime,
    /// The user asked to stop; what there was is here.
    pub interrupted: bool,
    /// What the controller saw and did, in order.
    pub controller_events: Vec<ControllerEvent>,
    /// The end of the consoles of nodes that did not answer at the end.
    pub consoles: BTreeMap<String, String>,
    /// How recorded links were followed.
    pub traces: Vec<FollowedTrace>,
    /// What was asked and measured, before and after.
    pub verification: BenchVerification,
    /// Functions over time.
    pub functions: Vec<FunctionSample>,
    /// Their replicas.
    pub function_pods: Vec<PodRecord>,
}

/// How a link followed its trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FollowedTrace {
    /// Node that sends.
    pub from: String,
    /// Tier or node that receives.
    pub to: String,
    #[serde(flatten)]
    pub trace: AppliedTrace,
}

/// Links and machines, before and after a run; `None` = nobody measured them then.
#[derive(Debug, Default, Serialize)]
pub struct BenchVerification {
    pub before: Option<Verification>,
    pub after: Option<Verification>,
}

impl BenchVerification {
    /// Each with when it was.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Verification)> {
        let both = [("before", &self.before), ("after", &self.after)];
        both.into_iter()
            .filter_map(|(when, verification)| Some((when, verification.as_ref()?)))
    }
}

/// What the metric stream of one node brought.
#[derive(Debug, Clone, Default)]
pub struct NodeMetrics {
    /// Samples and events, in order; samples missed.
    pub batch: MetricsBatch,
    /// Why the stream ended before the run did.
    pub broken: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerEvent {
    /// When the controller saw it.
    pub time_unix_ns: ControllerTime,
    /// `timeline` or `cluster`.
    pub source: &'static str,
    /// In words.
    pub text: String,
}
