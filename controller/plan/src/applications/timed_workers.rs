//! Workers that all do the same for as long as the config says.

use super::{Application, like_workers};
use continuum_config::{Benchmark, Config, Findings};
use continuum_model::{Clocks, NodeRun, Plan, Report, RunPlan};
use continuum_workload_core::spec::Role as Does;

/// For programs to start late, and to end.
const SLACK_S: f64 = 120.0;

/// An application that is nothing but that.
pub(super) trait TimedWorkers: Sync + std::fmt::Debug {
    /// The option that says how long; required.
    const LENGTH_OPTION: &'static str;
    /// Above the table.
    const TITLE: &'static str;
    /// Names of what a run measures by itself, with those of columns.
    const MEASURED: &'static [(&'static str, &'static str)] = &[];

    fn length_s(&self) -> f64;
    fn role(&self) -> Does;
    /// Of all runs together.
    fn notes(_runs: &[NodeRun], _clocks: &Clocks) -> Vec<String> {
        Vec::new()
    }
}

impl<T: TimedWorkers> Application for T {
    fn has_like_workers(&self) -> bool {
        true
    }

    fn load_end_s(&self, _benchmark: &Benchmark) -> Option<f64> {
        Some(self.length_s()).filter(|s| *s > 0.0)
    }

    fn unused_options(&self, _config: &Config) -> Vec<&'static str> {
        like_workers::UNUSED_OPTIONS.into()
    }

    fn check(&self, _config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>) {
        if self.length_s() <= 0.0 {
            let kind = benchmark.kind();
            findings.fault(
                T::LENGTH_OPTION,
                format!("is required for application {kind}"),
            );
        }
    }

    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        like_workers::runs(plan, benchmark, &self.role())
    }

    fn deadline_s(&self, _benchmark: &Benchmark) -> f64 {
        self.length_s() + SLACK_S
    }

    fn report(
        &self,
        plan: &Plan,
        _benchmark: &Benchmark,
        runs: &[NodeRun],
        clocks: &Clocks,
    ) -> Report {
        let mut report = like_workers::report(T::TITLE, T::MEASURED, plan, runs, clocks);
        report.notes.extend(T::notes(runs, clocks));
        report
    }
}
