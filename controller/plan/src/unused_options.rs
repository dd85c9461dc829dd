//! Options of a benchmark that are given and have no effect: none is ignored without a word.

use super::applications;
use continuum_config::{Benchmark, Config, Findings, ManagerKind, Purpose};
use continuum_model::Mode;

pub(super) fn warn(config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>) {
    let mut idle = findings.without_place(config, "benchmark.");
    let others = not_used(config, benchmark);
    idle.extend(others.into_iter().filter(|path| findings.is_given(path)));
    for path in idle {
        let may_be_called = applications::of(benchmark).may_call_functions();
        let has_endpoints = config.infrastructure.tiers.endpoint.nodes > 0;
        let has_workers = config.mode() != Mode::Endpoint;
        let why = match findings.purpose(path) {
            Purpose::KubeControl => {
                format!("without resource manager {}", ManagerKind::KubeControl)
            }
            Purpose::Functions if may_be_called => "without software.execution_model".to_owned(),
            Purpose::Endpoints if !has_endpoints => "without endpoint nodes".to_owned(),
            Purpose::Workers if !has_workers => "without cloud and edge nodes".to_owned(),
            _ => format!("with application {}", benchmark.kind()),
        };
        let name = findings.name(path);
        findings.warn(format!("{name} has no effect {why}"));
    }
}

/// What every benchmark has and this one does not use, unless it is as usual: so it is in what `config show` prints.
fn not_used(config: &Config, benchmark: &Benchmark) -> Vec<&'static str> {
    let usual = Benchmark::usual(benchmark.kind(), config);
    let unused = applications::of(benchmark).unused_options(config);
    let has_endpoints = config.infrastructure.tiers.endpoint.nodes > 0;
    let differs = |a: f64, b: f64| (a - b).abs() > f64::EPSILON;
    let is_given = [
        (
            "benchmark.duration_s",
            differs(benchmark.duration_s, usual.duration_s),
        ),
        (
            "benchmark.worker_cores",
            differs(benchmark.worker_cores, usual.worker_cores),
        ),
        (
            "benchmark.worker_memory_mib",
            benchmark.worker_memory_mib != usual.worker_memory_mib,
        ),
        (
            "benchmark.endpoint_cores",
            has_endpoints && differs(benchmark.endpoint_cores, usual.endpoint_cores),
        ),
        (
            "benchmark.endpoint_memory_mib",
            has_endpoints && benchmark.endpoint_memory_mib != usual.endpoint_memory_mib,
        ),
        (
            "benchmark.applications_per_worker",
            benchmark.applications_per_worker != usual.applications_per_worker,
        ),
    ];
    let given = is_given.into_iter().filter(|(_, is_given)| *is_given);
    given
        .map(|(path, _)| path)
        .filter(|path| unused.contains(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::parse;
    use continuum_config::to_toml;

    const MACHINES: &str = "[infrastructure]\nprovider = \"qemu\"\n\
        edge = { nodes = 1, cores = 2, memory_mib = 2048 }\n\
        endpoint = { nodes = 1, cores = 1, memory_mib = 512 }\n[software]\nresource_manager = \"mist\"\n";
    const PHOTOS: &str = "application = \"image_classification\"\nfrequency = 1\n";

    fn parsed(rest: &str) -> Result<Vec<String>, String> {
        let text = format!("{MACHINES}{rest}");
        let checked = parse(&text, "t.toml", false, "t", &[]).map_err(|e| e.to_string())?;
        // What is shown of it gives nothing new to tell.
        let again = parse(&to_toml(&checked.config), "s.toml", false, "t", &[]).unwrap();
        assert_eq!(again.config, checked.config);
        let is_known = |w: &String| checked.warnings.iter().any(|known| known == w);
        let is_of_links = |w: &String| w.starts_with("network.");
        assert!(
            again.warnings.iter().all(|w| is_known(w) || is_of_links(w)),
            "{:?}",
            again.warnings
        );
        Ok(checked.warnings)
    }

    #[test]
    fn every_option_that_the_application_does_not_use_is_told() {
        let warnings = parsed(
            "[benchmark]\napplication = \"empty\"\nsleep_time_s = 1\nfrequency = 2\ndataset = \"x\"\nduration_s = 9\n\
             endpoint_cores = 0.25\nports = []\nworker_image = \"x\"\n",
        )
        .unwrap();
        let want = [
            "frequency",
            "dataset",
            "worker_image",
            "duration_s",
            "endpoint_cores",
        ]
        .map(|name| format!("benchmark.{name} has no effect with application empty"));
        assert_eq!(warnings, want);
        let warnings = parsed(&format!(
            "[benchmark]\n{PHOTOS}sleep_time_s = 3\nmin_replicas = 2\nfunctions = [\"sleep 1\"]\n"
        ));
        assert_eq!(
            warnings.unwrap(),
            [
                "benchmark.sleep_time_s has no effect with application image_classification",
                "benchmark.functions has no effect with application image_classification",
                "benchmark.min_replicas has no effect without software.execution_model",
            ]
        );
        assert_eq!(parsed(&format!("[benchmark]\n{PHOTOS}")).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_of_machines_that_are_not_there_is_told_in_the_words_of_the_file() {
        let text = "[infrastructure]\nprovider = qemu\nendpoint_nodes = 1\nendpoint_cores = 1\nendpoint_memory = 2\n\
            endpoint_quota = 1\n[benchmark]\nresource_manager = none\napplication = image_classification\n\
            frequency = 5\napplication_worker_cpu = 3\nsleep_time = 5\n";
        let warnings = parse(text, "t.cfg", true, "t", &[]).unwrap().warnings;
        assert_eq!(
            warnings,
            [
                "[benchmark] sleep_time has no effect with application image_classification",
                "[benchmark] application_worker_cpu has no effect without cloud and edge nodes",
            ]
        );
    }

    #[test]
    fn more_least_than_most_replicas_is_a_fault_without_functions_too() {
        for given in ["max_replicas = 1\nmin_replicas = 2", "min_replicas = 6"] {
            let error = parsed(&format!("[benchmark]\n{PHOTOS}{given}\n")).unwrap_err();
            assert!(
                error.contains("is less than benchmark.min_replicas"),
                "{error}"
            );
        }
    }

    #[test]
    fn links_that_nobody_has_and_jitter_beyond_the_latency_are_told() {
        let warnings = parsed(&format!(
            "[network]\npreset = \"4g\"\ncloud_edge = {{ latency_ms = 3, rate_mbit = 5 }}\nedge_edge = {{ latency_ms = 9 }}\n\
             edge_endpoint = {{ latency_ms = 1 }}\n[benchmark]\n{PHOTOS}"
        ))
        .unwrap();
        assert_eq!(
            warnings,
            [
                "network.edge_edge.latency_ms has no effect: there is only one edge node",
                "network.cloud_edge.latency_ms, network.cloud_edge.rate_mbit have no effect: there are no cloud nodes",
                "network.edge_endpoint: jitter_ms is 2.5, latency_ms is 1: as no delay is below 0, the mean delay is \
                 larger than latency_ms",
            ]
        );
    }

    #[test]
    fn no_example_has_what_is_of_no_effect() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let warnings = crate::load(&path, &[]).unwrap().warnings;
                assert!(
                    warnings.iter().all(|w| !w.contains("effect")),
                    "{path:?}: {warnings:?}"
                );
            }
        }
    }
}
