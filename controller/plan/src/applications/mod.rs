//! Applications as the controller sees them: what runs where, and what its results say. One trait, one file each, which
//! implements it for the options of the application. What they do in the nodes is in `workloads/`.

mod container;
mod empty;
mod functions;
mod image_classification;
mod like_workers;
mod mem_usage;
mod pods;
mod stress;
#[cfg(test)]
mod test_runs;
mod timed_workers;

use crate::hops::Hops;
use continuum_config::{ApplicationConfig, Benchmark, Config, Findings, FunctionLoad};
use continuum_model::{Clocks, MetricsSample, Mode, NodeRun, Plan, Report, RunPlan};
use std::collections::BTreeMap;

pub use functions::{
    IMAGE as IMAGE_FUNCTION, SUITE as SUITE_FUNCTIONS,
    report::{add as add_function_table, add_starts as add_start_table},
};

pub use image_classification::{PhotoLoad, slow_link};

/// Samples by node, each by its node's clock.
pub type Samples<'a> = BTreeMap<&'a str, &'a [MetricsSample]>;

/// One application with its options; a benchmark has what they all have.
pub trait Application: Sync + std::fmt::Debug {
    /// Whether an execution model may run it as functions.
    fn may_call_functions(&self) -> bool {
        false
    }
    /// What is called then.
    fn function_loads(&self) -> Vec<FunctionLoad> {
        Vec::new()
    }
    /// When its load ends, seconds after it began; `None` = when it likes.
    fn load_end_s(&self, benchmark: &Benchmark) -> Option<f64> {
        Some(benchmark.duration_s)
    }
    /// Options of every benchmark that have no effect on it.
    fn unused_options(&self, config: &Config) -> Vec<&'static str> {
        options_of_workers(config)
    }
    /// Whether all workers do the same, so that one object of a cluster may carry them.
    fn has_like_workers(&self) -> bool {
        false
    }
    fn check(&self, config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>);
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
    /// What its stages were to take by what is known of links.
    fn predict(
        &self,
        _report: &mut Report,
        _plan: &Plan,
        _runs: &[NodeRun],
        _clocks: &Clocks,
        _hops: &Hops,
    ) {
    }
    /// What samples of nodes add to that.
    fn add_samples(
        &self,
        _report: &mut Report,
        _runs: &[NodeRun],
        _clocks: &Clocks,
        _samples: &Samples<'_>,
    ) {
    }
}

/// Those that have no effect where endpoints work alone.
fn options_of_workers(config: &Config) -> Vec<&'static str> {
    if config.mode() == Mode::Endpoint {
        vec!["benchmark.worker_cores", "benchmark.worker_memory_mib"]
    } else {
        Vec::new()
    }
}

/// The application of a benchmark; the only place that names them.
pub fn of(benchmark: &Benchmark) -> &dyn Application {
    match &benchmark.application {
        ApplicationConfig::ImageClassification(own) => own,
        ApplicationConfig::Empty(own) => own,
        ApplicationConfig::Container(own) => own,
        ApplicationConfig::Functions(own) => own,
        ApplicationConfig::Stress(own) => own,
        ApplicationConfig::MemUsage(own) => own,
    }
}
