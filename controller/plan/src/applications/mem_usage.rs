//! `mem_usage`: how much less memory a worker has when so many applications that do nothing are there.

use super::{Application, Samples, like_workers};
use continuum_config::{Benchmark, Config, Findings, MemUsage, Runtime};
use continuum_model::{
    Cell, Clocks, ControllerTime, MetricsSample, NodeRun, NodeTime, Phase, Plan, Report, Role,
    RunPlan, Table, clock_offset,
};
use continuum_workload_core::{
    spec::{Role as Does, RunSpec, Sleep},
    stats::round_to,
};
use std::collections::BTreeMap;

/// So long all of them are there, so that samples of a second see it.
const SETTLE_S: f64 = 10.0;
/// For the program that waits so long, beside what is measured.
const WAIT_CORES: f64 = 0.1;
const WAIT_MEMORY_MIB: u64 = 64;

impl Application for MemUsage {
    fn has_like_workers(&self) -> bool {
        true
    }

    fn load_end_s(&self, _benchmark: &Benchmark) -> Option<f64> {
        None
    }

    fn unused_options(&self, _config: &Config) -> Vec<&'static str> {
        like_workers::UNUSED_OPTIONS.into()
    }

    fn check(&self, config: &Config, _benchmark: &Benchmark, findings: &mut Findings<'_>) {
        let tiers = &config.infrastructure.tiers;
        if tiers.cloud.nodes + tiers.edge.nodes == 0 {
            findings.fault(
                "benchmark.application",
                "mem_usage needs workers: it measures them from beside them",
            );
        }
        if config.software.container_runtime != Runtime::Native {
            findings.fault(
                "software.container_runtime",
                "must be native with application mem_usage: what waits beside the workers is a process",
            );
        }
    }

    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        let mut runs = like_workers::runs(plan, benchmark, &Does::Hold);
        // Not on a worker, where it would be measured too.
        let beside = [Role::Controller, Role::Endpoint].into_iter();
        let mut beside = beside.filter_map(|role| plan.nodes.iter().find(|n| n.role == role));
        runs.extend(beside.next().map(|node| RunPlan {
            id: "settle".to_owned(),
            node: node.name.clone(),
            phase: Phase::Endpoint,
            spec: RunSpec {
                application: "empty".to_owned(),
                node: node.name.clone(),
                role: Does::Sleep(Sleep { sleep_s: SETTLE_S }),
            },
            cpu_cores: WAIT_CORES,
            memory_mib: WAIT_MEMORY_MIB,
            connected_to: None,
            own: None,
        }));
        runs
    }

    fn deadline_s(&self, _benchmark: &Benchmark) -> f64 {
        SETTLE_S + 120.0
    }

    fn report(
        &self,
        plan: &Plan,
        _benchmark: &Benchmark,
        runs: &[NodeRun],
        clocks: &Clocks,
    ) -> Report {
        let workers = runs.iter().filter(|r| r.plan.phase == Phase::Worker);
        let workers: Vec<NodeRun> = workers.cloned().collect();
        like_workers::report("MEM_USAGE OUTPUT", &[], plan, &workers, clocks)
    }

    fn add_samples(
        &self,
        report: &mut Report,
        runs: &[NodeRun],
        clocks: &Clocks,
        samples: &Samples<'_>,
    ) {
        let columns = [
            "node",
            "applications",
            "free_before (MB)",
            "free_after (MB)",
            "per_application (MB)",
        ];
        let mut table = Table::new("memory.csv", "MEMORY OUTPUT", &columns);
        let mut of_node: BTreeMap<&str, Vec<&NodeRun>> = BTreeMap::new();
        for run in runs.iter().filter(|r| r.plan.phase == Phase::Worker) {
            of_node.entry(&run.plan.node).or_default().push(run);
        }
        // When all of them had been there for a while.
        let settled = runs.iter().find(|run| run.plan.phase == Phase::Endpoint);
        let settled = settled.and_then(|run| {
            let offset = clock_offset(clocks, &run.plan.node);
            Some(offset.to_controller(run.ended_unix_ns?))
        });
        for (node, runs) in of_node {
            let offset = clock_offset(clocks, node);
            let asked = runs.iter().map(|run| run.asked_unix_ns).min();
            let free = |before: Option<ControllerTime>| {
                free_mb(samples.get(node)?, offset.to_node(before?))
            };
            let (before, after) = (free(asked), free(settled));
            let each = before.zip(after).map(|(b, a)| (b - a) / runs.len() as f64);
            let cell = |mb: Option<f64>| Cell::Float(mb.map(|mb| round_to(mb, 2)));
            table.row(vec![
                Cell::Text(node.to_owned()),
                Cell::Int(runs.len() as i64),
                cell(before),
                cell(after),
                cell(each),
            ]);
            let unknown = [(before, "before the applications"), (after, "with them")];
            for (_, when) in unknown.iter().filter(|(mb, _)| mb.is_none()) {
                report.invalid.push(format!(
                    "how much memory node {node} had {when} is not known: it has {} samples",
                    samples.get(node).map_or(0, |all| all.len())
                ));
            }
        }
        report.tables.insert(0, table);
    }
}

/// Memory that could be given to programs, by the last sample before a time.
fn free_mb(samples: &[MetricsSample], before: NodeTime) -> Option<f64> {
    let earlier = samples.iter().filter(|s| s.time_unix_ns < before);
    let last = earlier.max_by_key(|s| s.time_unix_ns)?;
    let bytes = last
        .memory_total_bytes
        .checked_sub(last.memory_used_bytes)?;
    Some(bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::test_runs;
    use continuum_model::Prefix;

    #[test]
    fn memory_before_and_after_is_shared_by_the_applications() {
        let sample = |seconds: i64, used_mb: u64| MetricsSample {
            time_unix_ns: NodeTime::from_unix_s(seconds),
            memory_used_bytes: used_mb * 1_000_000,
            memory_total_bytes: 2_000_000_000,
            ..MetricsSample::default()
        };
        let of_node = [
            sample(1, 300),
            sample(2, 310),
            sample(9, 370),
            sample(20, 305),
        ];
        let samples: Samples<'_> = [("cloud0", of_node.as_slice())].into();
        let run = || {
            let mut run = test_runs::run("cloud0", Phase::Worker, Vec::new());
            run.asked_unix_ns = ControllerTime::from_unix_s(3);
            run
        };
        let mut settle = test_runs::run("cloud_controller", Phase::Endpoint, Vec::new());
        settle.ended_unix_ns = Some(NodeTime::from_unix_s(15));
        let runs = [run(), run(), run(), settle];
        let mut report = Report::default();
        MemUsage.add_samples(&mut report, &runs, &Clocks::new(), &samples);
        let csv = report.tables[0].to_csv();
        assert!(csv.contains("cloud0,3,1690.0,1630.0,20.0"), "{csv}");
        let mut unknown = Report::default();
        MemUsage.add_samples(&mut unknown, &[run()], &Clocks::new(), &Samples::new());
        assert!(
            unknown.invalid[0].contains("cloud0"),
            "{:?}",
            unknown.invalid
        );
    }

    #[test]
    fn what_waits_is_not_on_a_worker() {
        let text = "[infrastructure]\nprovider = qemu\ncloud_nodes = 2\ncloud_cores = 2\ncloud_memory = 2\ncloud_quota = 1\n\
            [benchmark]\nresource_manager = kubecontrol\napplication = mem_usage\napplications_per_worker = 8\n";
        let config = crate::parse(text, "t.cfg", true, "t", &[]).unwrap().config;
        let plan = crate::plan(&config, Prefix::from([10, 0, 0]));
        let runs = MemUsage.runs(&plan, config.benchmark.as_ref().unwrap());
        let services = runs.iter().filter(|run| run.is_service()).count();
        assert_eq!((runs.len(), services), (9, 8));
        assert_eq!(runs[8].node, "cloud_controller");
    }
}
