//! What the page is told.

use continuum_model::{LiveRun, Tier};
use serde::Serialize;

/// What stays as it is while a deployment is up.
#[derive(Debug, Clone, Serialize)]
pub struct Topology {
    pub name: String,
    pub provider: String,
    pub application: Option<String>,
    pub nodes: Vec<NodeView>,
    /// As the config asks for them.
    pub links: Vec<LinkView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct NodeView {
    pub name: String,
    pub tier: Tier,
    pub address: String,
    pub cores: u32,
    /// Share of each core, 0 to 1.
    pub quota: f64,
    pub memory_mib: u64,
    pub has_broker: bool,
}

/// The link between two tiers, one way.
#[derive(Debug, Clone, Serialize)]
pub struct LinkView {
    pub from: Tier,
    pub to: Tier,
    pub latency_ms: f64,
    pub jitter_ms: f64,
    pub loss_percent: f64,
    pub rate_mbit: f64,
}

/// What is so now.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// `up`, or the phase that is missing.
    pub phase: String,
    /// `kvm`, `tcg`, …; `None` where nodes are no machines, or none was made yet.
    pub accelerator: Option<String>,
    /// How far the command is that shows the page.
    pub work: Work,
    /// Changes of links that are in force, in the words of `network`.
    pub in_force: Vec<String>,
    /// Pairs of nodes that let nothing through.
    pub cut: Vec<CutLink>,
    /// Nodes that the cluster does not use, and why.
    pub not_ready: Vec<(String, String)>,
    /// The run that goes on, or the last one that this deployment had.
    pub run: Option<LiveRun>,
    /// Newest first.
    pub results: Vec<PastResult>,
    /// Why some of this is not known.
    pub trouble: Vec<String>,
}

/// What a command does; empty for one that only shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Work {
    /// What it is at.
    pub stage: Option<String>,
    /// Stages that are over, with their seconds.
    pub stages: Vec<(String, f64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutLink {
    pub from: String,
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastResult {
    /// Of its directory.
    pub name: String,
    pub validity: String,
    /// Whether it has a report to read.
    pub has_report: bool,
}
