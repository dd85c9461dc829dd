//! Applications as the controller sees them: what runs where, and what its results say. One trait, one file each,
//! one list. What they do in the nodes is in `workloads/`.

mod container;
mod empty;
mod functions;
mod image_classification;
mod pods;
#[cfg(test)]
mod test_runs;

use continuum_config::{Benchmark, Config};
use continuum_model::{Clocks, NodeRun, Plan, Report, RunPlan};

/// Every application; the only place that names them.
pub const APPLICATIONS: &[&dyn Application] = &[
    &image_classification::ImageClassification,
    &empty::Empty,
    &container::Container,
    &functions::Functions,
];

pub use functions::{
    IMAGE as IMAGE_FUNCTION, SUITE as SUITE_FUNCTIONS, loads as function_loads,
    report::{add as add_function_table, add_starts as add_start_table},
};

/// One application.
pub trait Application: Sync + std::fmt::Debug {
    /// As in configs.
    fn name(&self) -> &'static str;
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
