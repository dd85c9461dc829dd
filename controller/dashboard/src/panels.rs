//! What takes longer to find out than the rest: pages are told of it when it has changed.

use crate::functions::FunctionLook;
use continuum_model::ClusterLook;
use serde::Serialize;

/// What became of the inputs of a run, over its last ten minutes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Application {
    /// Seconds from one point to the next.
    pub step_s: u32,
    /// In the order of their times.
    pub points: Vec<ApplicationPoint>,
    /// What `stages_ms` of a point are, in order: `1_generate`, …
    pub stages: Vec<&'static str>,
    /// Since the load began.
    pub sent: u64,
    pub answered: u64,
    /// `None` = not known before the end.
    pub lost: Option<u64>,
    /// Stages from one node to another are known to this, milliseconds.
    pub clock_error_ms: f64,
    /// Why some of it is not known.
    pub trouble: Vec<String>,
}

/// The seconds before one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ApplicationPoint {
    /// By the controller's clock.
    pub time_unix_ms: i64,
    /// Per second.
    pub sent_per_s: f32,
    pub answered_per_s: f32,
    /// Sent, and not answered yet.
    pub waiting: u64,
    /// From due to the answer, of the last ten seconds.
    pub p50_ms: Option<f32>,
    /// Of as many answers as it takes.
    pub p95_ms: Option<f32>,
    pub p99_ms: Option<f32>,
    /// Means, which add up to that of the whole way.
    pub stages_ms: Vec<Option<f32>>,
}

/// A cluster and its functions at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClusterView {
    pub look: ClusterLook,
    /// Pages are given rates and times instead of counts.
    #[serde(skip)]
    pub functions: Vec<FunctionLook>,
    /// Why some of it is not known.
    pub trouble: Vec<String>,
}
