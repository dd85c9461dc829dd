//! How pods came to be: the deployment-time table.

use crate::managers::STAGES_OF_A_PATCH;
use continuum_model::{
    Cell, ClockOffset, Clocks, NodeRun, NodeTime, Plan, Report, Table, clock_offset,
};
use continuum_workload_core::stats::round_to;

/// Columns after `pod` and `container`, in the order in which things happen, with where their times come from. Names are upstream's.
const COLUMNS: [(&str, Source); 10] = [
    ("api_workload_arrived (s)", Source::Api("job_created")),
    ("api_pod_created (s)", Source::Api("created")),
    ("scheduled_pod (s)", Source::Api("scheduled")),
    (
        "kubelet_pod_received (s)",
        Source::Node("kubelet_pod_received"),
    ),
    (
        "kubelet_mounted_volume (s)",
        Source::Node("kubelet_mounted_volume"),
    ),
    (
        "kubelet_applied_sandbox (s)",
        Source::Node("kubelet_applied_sandbox"),
    ),
    (
        "kubelet_created_container (s)",
        Source::Node("kubelet_created_container"),
    ),
    (
        "kubelet_started_container (s)",
        Source::Node("kubelet_started_container"),
    ),
    ("started_application (s)", Source::Ready),
    ("ended_application (s)", Source::Ended),
];
enum Source {
    /// The API, whole seconds, by the control plane's clock.
    Api(&'static str),
    /// The node's logs.
    Node(&'static str),
    /// What the application said.
    Ready,
    /// The last thing that it said.
    Ended,
}

/// Adds the table, if there were pods: seconds since the Job was sent, by our clock.
pub(super) fn add(report: &mut Report, plan: &Plan, runs: &[NodeRun], clocks: &Clocks) {
    let of_api = plan.controller().map(|n| clock_offset(clocks, &n.name));
    let of_api = of_api.unwrap_or_default();
    let names: Vec<&str> = ["pod", "container"]
        .into_iter()
        .chain(COLUMNS.iter().map(|(name, _)| *name))
        .collect();
    let mut table = Table::new("pods.csv", "POD OUTPUT", &names);
    let mut rows: Vec<([String; 2], Vec<Option<f64>>)> = Vec::new();
    for run in runs {
        let Some(pod) = &run.pod else { continue };
        let of_node = clock_offset(clocks, &run.plan.node);
        let seconds =
            |at: NodeTime, clock: &ClockOffset| clock.to_controller(at).s_since(run.asked_unix_ns);
        let values = COLUMNS.iter().map(|(_, source)| match source {
            Source::Api(what) => {
                let at = NodeTime::from_unix_s(*pod.times_unix_s.get(what)?);
                Some(round_to(seconds(at, &of_api), 0))
            }
            Source::Node(what) => {
                let at = pod.node_times_unix_ns.get(what)?;
                Some(round_to(seconds(*at, &of_node), 3))
            }
            Source::Ready => Some(round_to(seconds(run.ready_unix_ns?, &of_node), 3)),
            Source::Ended => Some(round_to(seconds(run.ended_unix_ns?, &of_node), 3)),
        });
        let container = pod.container.clone().unwrap_or_default();
        rows.push(([pod.pod.clone(), container], values.collect()));
    }
    if rows.is_empty() {
        return;
    }
    // As upstream sorts it: who started first.
    let started = |values: &[Option<f64>]| values.get(8).copied().flatten().unwrap_or(f64::MAX);
    rows.sort_by(|a, b| started(&a.1).total_cmp(&started(&b.1)));
    for (names, values) in rows {
        let cells = values.into_iter().map(Cell::Float);
        table.row(names.into_iter().map(Cell::Text).chain(cells).collect());
    }
    report.tables.push(table);
    report.notes.push(
        "times of pods: those of the API (api_…, scheduled_pod) are whole seconds, the others come from the logs of the node"
            .into(),
    );
    report.notes.push(format!(
        "an unchanged Kubernetes does not tell: {STAGES_OF_A_PATCH}"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::{
        ClockPair, ControllerTime, Phase, PodRecord, Prefix, RunPlan, StartedRun,
    };
    use continuum_workload_core::spec::{Role as Does, RunSpec, Sleep};

    #[test]
    fn times_of_three_clocks_become_seconds_since_the_job_was_sent() {
        let text = "name = \"d\"\ninfrastructure = { provider = \"qemu\", cloud = { nodes = 2, cores = 1, memory_mib = 2048 } }\n\
                    software.resource_manager = \"kubernetes\"\nbenchmark = { application = \"empty\", sleep_time_s = 1 }\n";
        let config = crate::parse(text, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let plan = crate::plan(&config, Prefix::from([192, 168, 100]));
        let clock = |offset_ns| ClockPair {
            before: ClockOffset {
                offset_ns,
                error_ns: 1,
            },
            after: None,
            stepped_ns: 0,
        };
        let clocks = [
            ("cloud_controller".to_owned(), clock(2_000_000_000)),
            ("cloud0".to_owned(), clock(-1_000_000_000)),
        ]
        .into();
        let run = |name: &str, ready_s: i64| {
            let asked = ControllerTime::from_unix_s(100);
            let plan = RunPlan {
                id: name.into(),
                node: "cloud0".into(),
                phase: Phase::Worker,
                spec: RunSpec {
                    application: "empty".into(),
                    node: "cloud0".into(),
                    role: Does::Sleep(Sleep { sleep_s: 1.0 }),
                },
                cpu_cores: 0.1,
                memory_mib: 16,
                connected_to: None,
                own: None,
            };
            let mut run = NodeRun::new(plan, name.into(), asked, StartedRun::default());
            run.ready_unix_ns = Some(NodeTime::from_unix_s(ready_s));
            let received = NodeTime::from_unix_s(100).plus_ns(500_000_000);
            run.pod = Some(PodRecord {
                pod: name.into(),
                times_unix_s: [("created", 103)].into(),
                node_times_unix_ns: [("kubelet_pod_received", received)].into(),
                ..PodRecord::default()
            });
            run
        };
        let mut report = Report::default();
        let runs = [run("late", 104), run("early", 102)];
        add(&mut report, &plan, &runs, &clocks);
        let csv = report.tables[0].to_csv();
        let rows: Vec<&str> = csv.lines().skip(1).collect();
        assert!(rows[0].contains("early"), "{csv}");
        // Created 103 by a clock that is 2 s ahead: 1 s after 100. Received 100.5 by one that is 1 s behind.
        assert!(
            rows[0].contains(",1.0,") && rows[0].contains(",1.5,"),
            "{csv}"
        );
        assert!(rows[0].contains(",3.0,"), "{csv}");
        let mut none = Report::default();
        add(&mut none, &plan, &[], &clocks);
        assert!(none.tables.is_empty());
    }
}
