//! A pod as it was.

use super::NodeTime;
use serde::Serialize;
use std::collections::BTreeMap;

/// Stages of a pod on its node.
pub type NodeTimes = BTreeMap<&'static str, NodeTime>;

/// What is kept of a pod. Times are those of the API, to the second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PodRecord {
    pub pod: String,
    /// Which of its containers, where it has several.
    pub container: Option<String>,
    /// Node, as the cluster calls it.
    pub node: String,
    pub address: String,
    /// Digest of the image that ran.
    pub image_id: String,
    /// `job_created`, `created`, `scheduled`, `sandbox`, `initialized`, `started`, `ready`, `finished`: seconds since
    /// 1970.
    pub times_unix_s: BTreeMap<&'static str, i64>,
    /// What its node did for it.
    pub node_times_unix_ns: NodeTimes,
    /// `cpu.max` and `memory.max` of the pod's control group as read back.
    pub cpu_max: String,
    /// See `cpu_max`.
    pub memory_max: String,
}
