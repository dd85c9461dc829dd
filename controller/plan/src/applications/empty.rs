//! `empty`: one sleeping program on each worker, or on each endpoint where there are no workers.

use super::{Application, pods};
use continuum_config::{ApplicationKind, Benchmark, Config, Empty, Findings};
use continuum_model::{Cell, Clocks, NodeRun, Phase, Plan, Report, Role, RunPlan, Table};
use continuum_workload_core::{
    spec::{Role as Does, RunSpec, Sleep},
    stats::round_to,
};

impl Application for Empty {
    fn load_end_s(&self, _benchmark: &Benchmark) -> Option<f64> {
        Some(self.sleep_time_s).filter(|s| *s > 0.0)
    }

    /// On an endpoint it is a worker too.
    fn unused_options(&self, _config: &Config) -> Vec<&'static str> {
        vec![
            "benchmark.duration_s",
            "benchmark.endpoint_cores",
            "benchmark.endpoint_memory_mib",
        ]
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
        let has_workers = plan.nodes.iter().any(|n| n.role == Role::Worker);
        let role = if has_workers {
            Role::Worker
        } else {
            Role::Endpoint
        };
        let mut runs = Vec::new();
        for node in plan.nodes.iter().filter(|n| n.role == role) {
            for copy in 0..benchmark.applications_per_worker {
                runs.push(RunPlan {
                    id: format!("{}-{copy}", node.name),
                    node: node.name.clone(),
                    phase: Phase::Worker,
                    spec: RunSpec {
                        application: ApplicationKind::Empty.to_string(),
                        node: node.name.clone(),
                        role: Does::Sleep(Sleep {
                            sleep_s: self.sleep_time_s,
                        }),
                    },
                    cpu_cores: benchmark.worker_cores,
                    memory_mib: benchmark.worker_memory_mib,
                    connected_to: None,
                    own: None,
                });
            }
        }
        runs
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
        let mut table = Table::new(
            "workers.csv",
            "EMPTY OUTPUT",
            &["node", "ready (s)", "total_time (s)"],
        );
        for run in runs {
            // Asked by our clock, ready and ended by the node's.
            let ahead_ns = clocks.get(&run.plan.node).map_or(0, |c| c.offset().0);
            let seconds = |at: Option<i64>| {
                let seconds = at.map(|at| (at - ahead_ns - run.asked_unix_ns) as f64 / 1e9);
                Cell::Float(seconds.map(|s| round_to(s, 2)))
            };
            table.row(vec![
                Cell::Text(run.plan.node.clone()),
                seconds(run.ready_unix_ns),
                seconds(run.ended_unix_ns),
            ]);
        }
        let mut report = Report::default();
        report.tables.push(table);
        pods::add(&mut report, plan, runs, clocks);
        for run in runs.iter().filter(|r| !r.is_complete()) {
            report.invalid.push(format!(
                "run {} did not finish: {}",
                run.plan.id,
                run.how_ended()
            ));
        }
        report
    }
}
