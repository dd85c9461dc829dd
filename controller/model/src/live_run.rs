//! A run as it tells itself to whoever looks on, in a file beside the state of its deployment.

use super::ControllerTime;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveRun {
    /// Of the command that runs it.
    pub pid: u32,
    pub application: String,
    pub begun_unix_ns: ControllerTime,
    /// When its load began; `None` = it has not.
    pub load_unix_ns: Option<ControllerTime>,
    /// Until its load ends, as planned.
    pub load_s: Option<f64>,
    /// What it is at; `None` = it has ended.
    pub stage: Option<String>,
    /// Stages that are over, with their seconds.
    pub stages: Vec<(String, f64)>,
    /// Answered so far.
    pub done: u64,
    /// To be answered, if it is known.
    pub total: Option<u64>,
    /// Who writes samples that can be read meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<LiveEndpoint>,
    /// What the timeline did.
    pub marks: Vec<TimelineMark>,
    /// `unverified`, `invalid`, …; `None` = it has not ended.
    pub validity: Option<String>,
    /// Why it must not be used.
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineMark {
    /// By the controller's clock.
    pub time_unix_ns: ControllerTime,
    pub text: String,
}

/// A run of an endpoint, as its agent knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEndpoint {
    pub node: String,
    /// Its id there.
    pub run: String,
    /// Node of the worker that answers it; `None` = itself, or functions.
    pub worker: Option<String>,
}
