//! Workers that all do the same: copies of one program on each of them.

use super::pods;
use continuum_config::{Benchmark, KubeDeployment};
use continuum_model::{
    Cell, Clocks, NodePlan, NodeRun, NodeTime, Phase, Plan, Report, Role, RunPlan, Table,
    clock_offset,
};
use continuum_workload_core::{
    spec::{Role as Does, RunSpec},
    stats::round_to,
};

/// Options of every benchmark that have no effect on them: on an endpoint they are workers too.
pub(super) const UNUSED_OPTIONS: [&str; 3] = [
    "benchmark.duration_s",
    "benchmark.endpoint_cores",
    "benchmark.endpoint_memory_mib",
];

/// As many copies on each worker as the config says, or on each endpoint where there are no workers. Containers of one pod
/// are all where that is: on the first worker.
pub(super) fn runs(plan: &Plan, benchmark: &Benchmark, role: &Does) -> Vec<RunPlan> {
    let of = |role: Role| plan.nodes.iter().filter(move |n| n.role == role);
    let mut nodes: Vec<&NodePlan> = of(Role::Worker).collect();
    if nodes.is_empty() {
        nodes = of(Role::Endpoint).collect();
    }
    let mut copies = benchmark.applications_per_worker;
    if benchmark.kube_deployment == Some(KubeDeployment::Container) {
        copies *= nodes.len() as u32;
        nodes.truncate(1);
    }
    let run = |node: &NodePlan, copy: u32| RunPlan {
        id: format!("{}-{copy}", node.name),
        node: node.name.clone(),
        phase: Phase::Worker,
        spec: RunSpec {
            application: benchmark.kind().to_string(),
            node: node.name.clone(),
            role: role.clone(),
        },
        cpu_cores: benchmark.worker_cores,
        memory_mib: benchmark.worker_memory_mib,
        connected_to: None,
        own: None,
    };
    let of_node = |node| (0..copies).map(move |copy| run(node, copy));
    nodes.into_iter().flat_map(of_node).collect()
}

/// A row for each run: when it was ready and when it ended, since it was asked for, and what it measured by itself: the
/// last value of each metric, under the name of its column.
pub(super) fn report(
    title: &'static str,
    measured: &[(&str, &'static str)],
    plan: &Plan,
    runs: &[NodeRun],
    clocks: &Clocks,
) -> Report {
    let columns = ["node", "ready (s)", "total_time (s)"].into_iter();
    let columns: Vec<&str> = columns.chain(measured.iter().map(|(_, c)| *c)).collect();
    let mut table = Table::new("workers.csv", title, &columns);
    let mut report = Report::default();
    for run in runs {
        let offset = clock_offset(clocks, &run.plan.node);
        let seconds = |at: Option<NodeTime>| {
            let seconds = at.map(|at| offset.to_controller(at).s_since(run.asked_unix_ns));
            Cell::Float(seconds.map(|s| round_to(s, 2)))
        };
        let last = |name: &str| run.metrics.get(name)?.last().map(|v| round_to(*v, 2));
        let own = measured.iter().map(|(name, _)| Cell::Float(last(name)));
        let times = [
            Cell::Text(run.plan.node.clone()),
            seconds(run.ready_unix_ns),
            seconds(run.ended_unix_ns),
        ];
        table.row(times.into_iter().chain(own).collect());
        if !run.is_complete() {
            report.invalid.push(format!(
                "run {} did not finish: {}",
                run.plan.id,
                run.how_ended()
            ));
        }
    }
    report.tables.push(table);
    pods::add(&mut report, plan, runs, clocks);
    report
}

#[cfg(test)]
mod tests {
    use crate::{applications, parse, plan};
    use continuum_model::Prefix;

    fn nodes_of_runs(kube_deployment: &str) -> Vec<String> {
        let text = format!(
            "[infrastructure]\nprovider = qemu\ncloud_nodes = 3\ncloud_cores = 2\ncloud_memory = 2\ncloud_quota = 1\n\
             [benchmark]\nresource_manager = kubecontrol\napplication = empty\nsleep_time = 1\n\
             applications_per_worker = 2\nkube_deployment = {kube_deployment}\n"
        );
        let config = parse(&text, "t.cfg", true, "t", &[]).unwrap().config;
        let benchmark = config.benchmark.as_ref().unwrap();
        let runs =
            applications::of(benchmark).runs(&plan(&config, Prefix::from([10, 0, 0])), benchmark);
        let ids: std::collections::BTreeSet<_> = runs.iter().map(|r| &r.id).collect();
        assert_eq!(ids.len(), runs.len(), "{ids:?}");
        runs.into_iter().map(|run| run.node).collect()
    }

    #[test]
    fn containers_of_one_pod_are_on_one_worker_and_all_else_is_spread() {
        for spread in ["pod", "file", "call"] {
            let nodes = nodes_of_runs(spread);
            assert_eq!(nodes, ["cloud0", "cloud0", "cloud1", "cloud1"], "{spread}");
        }
        assert_eq!(nodes_of_runs("container"), ["cloud0"; 4]);
    }
}
