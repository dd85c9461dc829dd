//! What is measured of nodes and functions over time.

use super::{ControllerTime, NodeTime};
use serde::Serialize;

#[derive(Debug, Clone, Default, Serialize)]
pub struct MetricsSample {
    pub seq: u64,
    pub time_unix_ns: NodeTime,
    /// 0..100.
    pub cpu_percent: f64,
    /// In use.
    pub memory_used_bytes: u64,
    /// Of the machine.
    pub memory_total_bytes: u64,
    /// Since boot.
    pub network_received_bytes: u64,
    /// Since boot.
    pub network_sent_bytes: u64,
    /// Since boot.
    pub disk_read_bytes: u64,
    /// Since boot.
    pub disk_written_bytes: u64,
    pub agent_rss_bytes: u64,
    pub broker_rss_bytes: u64,
    pub workload_rss_bytes: u64,
}

/// Something that happened on a node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeEvent {
    pub time_unix_ns: NodeTime,
    /// Part of the agent.
    pub source: String,
    pub text: String,
}

/// Samples and events.
#[derive(Debug, Clone, Default)]
pub struct MetricsBatch {
    /// In order.
    pub samples: Vec<MetricsSample>,
    /// Missed.
    pub dropped: u64,
    /// In order.
    pub events: Vec<NodeEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionSample {
    pub time_unix_ns: ControllerTime,
    pub function: String,
    /// Wanted.
    pub replicas: u64,
    /// That take calls.
    pub available: u64,
    /// Cores that all its replicas used lately; `None` = nobody said.
    pub cpu_cores: Option<f64>,
    /// Memory that all its replicas have.
    pub memory_bytes: Option<u64>,
}
