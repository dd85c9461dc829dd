//! A cluster at one moment, as its API server tells it.

use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterLook {
    pub nodes: Vec<ClusterNode>,
    pub namespaces: Vec<NamespacePods>,
    /// Newest first.
    pub events: Vec<ClusterEvent>,
    /// Replicas that take calls, by function.
    pub available: BTreeMap<String, u64>,
    /// Pods that a gateway for functions runs in.
    pub gateways: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterNode {
    /// As the cluster calls it.
    pub name: String,
    /// Why it takes no pods; `None` = it does.
    pub why_not: Option<String>,
    /// Of its kubelet.
    pub version: String,
    /// That are on it.
    pub pods: u64,
}

/// Pods of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NamespacePods {
    pub namespace: String,
    /// `Running`, `Pending`, … with how many there are.
    pub phases: BTreeMap<String, u64>,
    /// Of all their containers.
    pub restarts: u64,
    /// Pods that do not run and have not succeeded, each with why.
    pub not_running: Vec<(String, String)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterEvent {
    /// By the API server's clock; 0 = it does not say.
    pub time_unix_ms: i64,
    pub is_warning: bool,
    /// `Pod openfaas-fn/io-7d9f-x2`.
    pub about: String,
    pub reason: String,
    pub message: String,
    /// How often it happened.
    pub count: u64,
}
