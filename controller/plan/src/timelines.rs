//! What steps of a timeline ask of a config: all of it is known before anything is made.

use super::{
    applications, link_ends,
    managers::{self, ResourceManager},
    planner,
};
use continuum_config::{Action, Benchmark, Config, Findings, LinkChange, ProviderKind, printable};
use continuum_model::{NodePlan, Plan, Prefix};

const PATH: &str = "benchmark.timeline";
/// Services that are, or bring, the unit `containerd`.
const WITH_CONTAINERD: [&str; 2] = ["containerd", "docker"];

pub(super) fn check(config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>) {
    if benchmark.timeline.is_empty() {
        return;
    }
    // Names, roles and services are the same with any addresses.
    let plan = planner::plan(config, Prefix::from([10, 0, 0]));
    for (row, step) in benchmark.timeline.iter().enumerate() {
        let checked = match &step.action {
            Action::Change(LinkChange { ends, .. }) | Action::Restore(ends) => {
                check_link(config, &plan, &ends.a, &ends.b)
            }
            Action::Restart { node, unit } => check_restart(config, &plan, node, unit),
        };
        if let Err(text) = checked {
            findings.fault_in_row(PATH, row, text);
        }
        let end_s = applications::of(benchmark).load_end_s(benchmark);
        if let Some(end_s) = end_s.filter(|end_s| step.at_s > *end_s) {
            findings.warn(format!(
                "{PATH}: `{}`: the load ends after {end_s} s: it never happens",
                printable(&step.to_string())
            ));
        }
    }
}

fn check_link(config: &Config, plan: &Plan, a: &str, b: &str) -> Result<(), String> {
    let provider = config.infrastructure.provider;
    if provider == ProviderKind::Local {
        return Err(format!("provider {provider} cannot emulate links"));
    }
    link_ends::check_places(&plan.nodes, &config.network, a, b)
        .map_err(|why| format!("change the link between {a} and {b}: {why}"))
}

fn check_restart(config: &Config, plan: &Plan, node: &str, unit: &str) -> Result<(), String> {
    let node = link_ends::node(&plan.nodes, node)?;
    let provider = config.infrastructure.provider;
    if provider == ProviderKind::Local {
        return Err(format!(
            "provider {provider} has no units of its own to restart: nodes share this machine"
        ));
    }
    let units = units(config, plan, node);
    if units.contains(&unit) {
        return Ok(());
    }
    let name = &node.name;
    let there = if units.is_empty() {
        "nothing that can be restarted".to_owned()
    } else {
        units.join(", ")
    };
    Err(format!("node {name} does not run {unit}; it has {there}"))
}

/// Units of a node that may be restarted.
fn units(config: &Config, plan: &Plan, node: &NodePlan) -> Vec<&'static str> {
    let manager = managers::find(config.software.resource_manager);
    let of_manager = manager.map_or(&[][..], |m: &dyn ResourceManager| m.units(node.role));
    let mut installed = plan.installations.iter().filter(|i| i.node == node.name);
    let has_containerd = installed.any(|i| WITH_CONTAINERD.contains(&i.component.name));
    let runtime = has_containerd.then_some("containerd");
    runtime
        .into_iter()
        .chain(of_manager.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::parse;
    use std::path::PathBuf;

    const MACHINES: &str = "[infrastructure]\nprovider = \"qemu\"\n\
        cloud = { nodes = 1, cores = 2, memory_mib = 4096 }\nedge = { nodes = 1, cores = 1, memory_mib = 2048 }\n\
        endpoint = { nodes = 2, cores = 1, memory_mib = 512 }\n";
    const REST: &str = "[network]\npreset = \"4g\"\n[software]\nresource_manager = \"kubeedge\"\n\
        [benchmark]\napplication = \"image_classification\"\nfrequency = 1\nduration_s = 60\n";

    fn kubeedge() -> String {
        format!("{MACHINES}{REST}")
    }

    /// Faults of rows with their lines after the first of the timeline, or warnings.
    fn found(config: &str, steps: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let rows: Vec<String> = steps.iter().map(|s| format!("    \"{s}\",\n")).collect();
        let text = format!("{config}timeline = [\n{}]\n", rows.concat());
        match parse(&text, "t.toml", false, "t", &[]) {
            Ok(checked) => Ok(checked.warnings),
            Err(continuum_config::ConfigError::Faults { faults, .. }) => {
                let first = config.lines().count() + 1;
                let text = |f: &continuum_config::Fault| {
                    format!("{}: {}", f.place.line.saturating_sub(first), f.text)
                };
                Err(faults.iter().map(text).collect())
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn places_units_and_links_that_are_not_there_are_faults_of_their_rows() {
        let faults = found(
            &kubeedge(),
            &[
                "1 cut cloud edge",
                "2 cut clod edge",
                "3 set edge0 endpoint9 latency_ms=1",
                "4 restore endpoint0 endpoint1",
                "5 restart edge edgecore",
                "6 restart edge0 kubelet",
                "7 restart endpoint0 containerd",
                "8 restart edge0 edgecore",
                "9 restart edge0 containerd",
                "10 restart cloud_controller cloudcore",
                "11 restart cloud_controller kubelet",
                "12 restart cloud_controller edgecore",
                "13 cut edge0 edge0",
            ],
        )
        .unwrap_err();
        let all = "cloud, edge, endpoint, cloud_controller, edge0, endpoint0, endpoint1";
        let link = "there is none: no two nodes of theirs have an emulated link";
        let want = [
            format!("2: change the link between clod and edge: there is no `clod`; there are: {all}; did you mean `cloud`?"),
            format!("3: change the link between edge0 and endpoint9: there is no `endpoint9`; there are: {all}; did you mean"),
            format!("4: change the link between endpoint0 and endpoint1: {link}"),
            "5: there is no node `edge`; there are: cloud_controller, edge0, endpoint0, endpoint1; did you mean `edge0`?".into(),
            "6: node edge0 does not run kubelet; it has containerd, edgecore".into(),
            "7: node endpoint0 does not run containerd; it has nothing that can be restarted".into(),
            "12: node cloud_controller does not run edgecore; it has containerd, kubelet, cloudcore".into(),
            format!("13: change the link between edge0 and edge0: {link}"),
        ];
        assert_eq!(faults.len(), want.len(), "{faults:#?}");
        for (fault, want) in faults.iter().zip(&want) {
            assert!(fault.starts_with(want), "{fault}\n{want}");
        }
    }

    #[test]
    fn without_emulation_there_is_no_link_to_change() {
        let plain = kubeedge().replace("preset = \"4g\"", "preset = \"none\"");
        let faults = found(&plain, &["1 cut cloud edge"]).unwrap_err();
        assert!(faults[0].contains("have an emulated link"), "{faults:?}");
    }

    #[test]
    fn provider_local_changes_no_links_and_restarts_nothing() {
        let local = kubeedge()
            .replace("\"qemu\"", "\"local\"")
            .replace("cloud = { nodes = 1, cores = 2, memory_mib = 4096 }\n", "")
            .replace("kubeedge", "mist");
        let faults = found(&local, &["1 cut edge endpoint", "2 restart edge0 edgecore"]);
        let faults = faults.unwrap_err();
        assert_eq!(faults[0], "1: provider local cannot emulate links");
        assert!(faults[1].starts_with("2: provider local has no units"));
    }

    #[test]
    fn a_runtime_on_endpoints_is_a_unit_there() {
        let mist = kubeedge()
            .replace("cloud = { nodes = 1, cores = 2, memory_mib = 4096 }\n", "")
            .replace("\"kubeedge\"", "\"mist\"\ncontainer_runtime = \"docker\"");
        let steps = [
            "1 restart endpoint0 containerd",
            "2 restart edge0 containerd",
        ];
        assert_eq!(found(&mist, &steps).unwrap(), [""; 0]);
        let faults = found(&mist, &["1 restart edge0 kubelet"]).unwrap_err();
        assert_eq!(
            faults,
            ["1: node edge0 does not run kubelet; it has containerd"]
        );
    }

    #[test]
    fn a_step_after_the_end_never_happens() {
        let warnings = found(&kubeedge(), &["60 cut cloud edge", "61 restore cloud edge"]).unwrap();
        assert_eq!(
            warnings,
            [
                "benchmark.timeline: `61 restore cloud edge`: the load ends after 60 s: it never happens"
            ]
        );
        let empty = kubeedge()
            .replace("image_classification", "empty")
            .replace("frequency = 1\nduration_s = 60", "sleep_time_s = 5");
        let warnings = found(&empty, &["5 cut cloud edge", "6 restore cloud edge"]).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("after 5 s: it never"), "{warnings:?}");
    }

    #[test]
    fn a_time_that_is_no_number_is_a_fault_of_its_row_as_a_table_too() {
        for at_s in ["1e20", "1e300", "nan", "inf", "-inf", "-1"] {
            let text = format!(
                "{}[[benchmark.timeline]]\nat_s = {at_s}\ncut = [\"cloud\", \"edge\"]\n",
                kubeedge()
            );
            let error = parse(&text, "t.toml", false, "t", &[])
                .unwrap_err()
                .to_string();
            let line = kubeedge().lines().count() + 1;
            assert!(
                error.contains(&format!("t.toml:{line}: benchmark.timeline: ")),
                "{error}"
            );
            let faults = found(&kubeedge(), &[&format!("{at_s} cut cloud edge")]).unwrap_err();
            assert!(
                faults[0].starts_with("1: ") && faults.len() == 1,
                "{faults:?}"
            );
        }
    }

    #[test]
    fn more_nodes_than_addresses_are_told_and_nothing_panics() {
        let many = kubeedge().replace("endpoint = { nodes = 2", "endpoint = { nodes = 10000");
        let faults = found(&many, &["1 cut cloud edge"]);
        assert!(faults.is_err());
    }

    #[test]
    fn the_example_is_as_it_was() {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/kubeedge-autonomy.toml");
        let checked = crate::load(&path, &[]).unwrap();
        assert_eq!(checked.warnings, [""; 0]);
        assert_eq!(checked.config.benchmark.unwrap().timeline.len(), 3);
    }
}
