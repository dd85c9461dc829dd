//! `stress`: each worker application keeps one core busy for so long, or as much of it as its limit leaves.

use super::timed_workers::TimedWorkers;
use continuum_config::Stress;
use continuum_model::{Clocks, NodeRun, clock_offset};
use continuum_workload_core::{
    spec::{Role as Does, Stress as Busy},
    stats::round_to,
};

impl TimedWorkers for Stress {
    const LENGTH_OPTION: &'static str = "benchmark.stress_timeout_s";
    const TITLE: &'static str = "STRESS OUTPUT";
    const MEASURED: &'static [(&'static str, &'static str)] =
        &[("cpu_time_s", "cpu_time (s)"), ("operations", "operations")];

    fn length_s(&self) -> f64 {
        self.timeout_s
    }

    fn role(&self) -> Does {
        Does::Stress(Busy {
            timeout_s: self.timeout_s,
        })
    }

    fn notes(runs: &[NodeRun], clocks: &Clocks) -> Vec<String> {
        let asked = runs.iter().map(|run| run.asked_unix_ns).min();
        let ended = runs.iter().filter_map(|run| {
            let offset = clock_offset(clocks, &run.plan.node);
            run.ended_unix_ns.map(|at| offset.to_controller(at))
        });
        let seconds = asked
            .zip(ended.max())
            .map(|(asked, ended)| round_to(ended.s_since(asked), 2));
        let note = |s| {
            format!(
                "total stress duration: {s} s, from when the first application was asked for to the end of the last"
            )
        };
        seconds.map(note).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::{Application, test_runs};
    use continuum_model::{NodeTime, Phase, Prefix};

    #[test]
    fn what_each_one_got_of_a_core_is_in_the_table() {
        let text = "name = \"d\"\ninfrastructure = { provider = \"qemu\", edge = { nodes = 1, cores = 2, memory_mib = 2048 }, \
                    endpoint = { nodes = 1, cores = 1, memory_mib = 512 } }\nsoftware.resource_manager = \"mist\"\n\
                    benchmark = { application = \"stress\", stress_timeout_s = 60, applications_per_worker = 2 }\n";
        let config = crate::parse(text, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let plan = crate::plan(&config, Prefix::from([192, 168, 100]));
        let benchmark = config.benchmark.as_ref().unwrap();
        let stress = Stress { timeout_s: 60.0 };
        let planned = stress.runs(&plan, benchmark);
        assert_eq!(planned.len(), 2);
        assert!(planned.iter().all(|run| run.node == "edge0"));
        let mut run = test_runs::run("edge0", Phase::Worker, Vec::new());
        run.ready_unix_ns = Some(NodeTime::from_unix_ns(1_500_000_000));
        run.ended_unix_ns = Some(NodeTime::from_unix_ns(61_500_000_000));
        let measured = [("cpu_time_s", 29.871), ("operations", 5000.0)];
        for (name, value) in measured {
            run.metrics.insert(name.to_owned(), vec![value]);
        }
        let report = stress.report(&plan, benchmark, &[run], &Clocks::new());
        let csv = report.tables[0].to_csv();
        assert!(csv.contains("edge0,1.5,61.5,29.87,5000.0"), "{csv}");
        assert!(
            report.notes[0].starts_with("total stress duration: 61.5 s"),
            "{:?}",
            report.notes
        );
    }
}
