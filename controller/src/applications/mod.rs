//! Applications as the controller sees them: what runs where, and what its results say. One trait, one file each,
//! one list. What they do in the nodes is in `workloads/`.

mod container;
mod empty;
mod functions;
mod image_classification;

use crate::{
    config::{Benchmark, Config, OwnImage},
    plan::Plan,
    report::{Clocks, NodeRun, Report},
};
use continuum_workload_core::spec::RunSpec;
use std::collections::BTreeMap;

/// Every application; the only place that names them.
pub const APPLICATIONS: &[&dyn Application] = &[
    &image_classification::ImageClassification,
    &empty::Empty,
    &container::Container,
    &functions::Functions,
];

pub(crate) use functions::{
    IMAGE as IMAGE_FUNCTION, SUITE as SUITE_FUNCTIONS, loads as function_loads,
};

/// When a run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// First: it must be ready before the endpoints begin.
    Worker,
    /// Then.
    Endpoint,
}

/// One run on one node.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// Unique within a bench.
    pub id: String,
    /// Node.
    pub node: String,
    /// When.
    pub phase: Phase,
    /// What the program is told.
    pub spec: RunSpec,
    /// Cores.
    pub cpu_cores: f64,
    /// Memory.
    pub memory_mib: u64,
    /// For an endpoint: number of the worker it is connected to.
    pub connected_to: Option<usize>,
    /// A container of the user's own instead of our program.
    pub own: Option<OwnContainer>,
}

/// A container of the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnContainer {
    /// As in the config: an archive or a name.
    pub image: OwnImage,
    /// What it is told about the others.
    pub env: BTreeMap<String, String>,
    /// TCP ports that it listens on.
    pub ports: Vec<u16>,
    /// It serves others, and is ended when they are done.
    pub is_service: bool,
}

impl OwnContainer {
    /// Where it listens: it is ready when that answers.
    pub fn socket(&self) -> Option<String> {
        let address = self.env.get("CONTINUUM_ADDRESS")?;
        Some(format!("{address}:{}", self.ports.first()?))
    }
}

/// One application.
pub trait Application: Sync + std::fmt::Debug {
    /// As in configs.
    fn name(&self) -> &'static str;
    /// In one line.
    fn summary(&self) -> &'static str;
    /// Rules on a config: option and what is wrong with it.
    fn check(&self, config: &Config, benchmark: &Benchmark) -> Vec<(&'static str, String)>;
    /// What runs where.
    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan>;
    /// Longest time that all of it may take, seconds.
    fn deadline_s(&self, benchmark: &Benchmark) -> f64;
    /// Results of all nodes to tables and judgement.
    fn report(
        &self,
        plan: &Plan,
        benchmark: &Benchmark,
        runs: &[NodeRun],
        clocks: &Clocks,
    ) -> Report;
}

/// Finds one by name.
pub fn find(name: &str) -> Option<&'static dyn Application> {
    APPLICATIONS.iter().copied().find(|a| a.name() == name)
}

/// All names.
pub fn names() -> Vec<&'static str> {
    APPLICATIONS.iter().map(|a| a.name()).collect()
}
