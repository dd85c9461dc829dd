//! Applications as the controller sees them: what runs where, and what its results say. One trait, one file each,
//! one list. What they do in the nodes is in `workloads/`.

mod container;
mod empty;
mod functions;
mod image_classification;
mod pods;
#[cfg(test)]
mod test_runs;

use continuum_config::{ApplicationKind, Benchmark, Config};
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
    /// Which one.
    fn kind(&self) -> ApplicationKind;
    /// As in configs.
    fn name(&self) -> &'static str {
        self.kind().name()
    }
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

/// The one of a kind.
pub fn find(kind: ApplicationKind) -> Option<&'static dyn Application> {
    APPLICATIONS.iter().copied().find(|a| a.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_application_that_a_config_may_name_is_here() {
        let kinds: Vec<_> = APPLICATIONS.iter().map(|a| a.kind()).collect();
        assert_eq!(kinds, ApplicationKind::ALL);
    }
}
