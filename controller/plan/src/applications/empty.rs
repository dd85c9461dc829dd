//! `empty`: one sleeping program on each worker, or on each endpoint where there are no workers.

use super::{Application, like_workers};
use continuum_config::{Benchmark, Config, Empty, Findings};
use continuum_model::{Clocks, NodeRun, Plan, Report, RunPlan};
use continuum_workload_core::spec::{Role as Does, Sleep};

impl Application for Empty {
    fn has_like_workers(&self) -> bool {
        true
    }

    fn load_end_s(&self, _benchmark: &Benchmark) -> Option<f64> {
        Some(self.sleep_time_s).filter(|s| *s > 0.0)
    }

    fn unused_options(&self, _config: &Config) -> Vec<&'static str> {
        like_workers::UNUSED_OPTIONS.into()
    }

    fn check(&self, _config: &Config, _benchmark: &Benchmark, findings: &mut Findings<'_>) {
        if self.sleep_time_s <= 0.0 {
            findings.fault(
                "benchmark.sleep_time_s",
                "is required for application empty",
            );
        }
    }

    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        let role = Does::Sleep(Sleep {
            sleep_s: self.sleep_time_s,
        });
        like_workers::runs(plan, benchmark, &role)
    }

    fn deadline_s(&self, _benchmark: &Benchmark) -> f64 {
        self.sleep_time_s + 120.0
    }

    fn report(
        &self,
        plan: &Plan,
        _benchmark: &Benchmark,
        runs: &[NodeRun],
        clocks: &Clocks,
    ) -> Report {
        like_workers::report("EMPTY OUTPUT", &[], plan, runs, clocks)
    }
}
