//! How long `up` takes: what `--dry-run` says of the time to expect was measured on this machine; or, for what was never
//! brought up here, on another one, and is said to be so.

use continuum_common::files;
use continuum_config::{Config, ProviderKind};
use continuum_host::{error::Error, state::StateRoot};
use continuum_plan::managers;
use std::collections::BTreeMap;

type Seconds = BTreeMap<String, f64>;

/// Deployments that take about as long as this one.
fn kind(config: &Config, provider: &str) -> String {
    let tiers = &config.infrastructure.tiers;
    format!(
        "{} on {}, {} cloud, {} edge, {} endpoint nodes",
        config.software.resource_manager,
        provider,
        tiers.cloud.nodes,
        tiers.edge.nodes,
        tiers.endpoint.nodes
    )
}

fn read(root: &StateRoot) -> Seconds {
    let text = std::fs::read_to_string(root.timings()).unwrap_or_default();
    // A file that is not understood is as good as none: it is only a memory.
    serde_json::from_str(&text).unwrap_or_default()
}

/// Seconds that `up` of such a config took last time.
pub fn expected_s(root: &StateRoot, config: &Config, provider: &str) -> Option<f64> {
    read(root).get(&kind(config, provider)).copied()
}

/// Stages with their seconds where none was measured here: machines without KVM (TCG) on two cores. The first three are of
/// `make bench-cluster`, the last is how long an edge took until it was ready. Nobody measured processes of this machine.
pub fn usual(config: &Config, provider: &str) -> Vec<(&'static str, f64)> {
    if provider != ProviderKind::Qemu.name() {
        return Vec::new();
    }
    let mut stages = vec![("machines and agents", 45.0)];
    if config.infrastructure.infra_only {
        return stages;
    }
    stages.push(("software", 10.0));
    let manager = managers::find(config.software.resource_manager);
    if manager.is_some_and(|m| m.cluster().is_some()) {
        stages.push(("cluster", 145.0));
        if config.infrastructure.tiers.edge.nodes > 0 {
            stages.push(("edges of the cluster", 75.0));
        }
    }
    stages
}

/// Remembers how long it took.
pub fn remember(
    root: &StateRoot,
    config: &Config,
    provider: &str,
    seconds: f64,
) -> Result<(), Error> {
    let mut all = read(root);
    all.insert(kind(config, provider), seconds);
    let path = root.timings();
    let text = serde_json::to_string_pretty(&all).map_err(Error::encode("how long it took"))?;
    files::replace(&path, None, text).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_is_expected() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path()).unwrap();
        let config = |edges: u32| {
            let text = format!(
                "name = \"d\"\ninfrastructure = {{ provider = \"qemu\", infra_only = true, edge = {{ nodes = {edges}, cores = 1, memory_mib = 512 }} }}\n"
            );
            continuum_plan::parse(&text, "d.toml", false, "d", &[])
                .unwrap()
                .config
        };
        assert_eq!(expected_s(&root, &config(1), "qemu"), None);
        remember(&root, &config(1), "qemu", 42.5).unwrap();
        assert_eq!(expected_s(&root, &config(1), "qemu"), Some(42.5));
        assert_eq!(expected_s(&root, &config(2), "qemu"), None);
        assert_eq!(usual(&config(2), "qemu"), [("machines and agents", 45.0)]);
        std::fs::write(root.timings(), "not json").unwrap();
        assert_eq!(expected_s(&root, &config(1), "qemu"), None);
    }

    #[test]
    fn what_was_measured_elsewhere_is_told_by_stage() {
        let text = "name = \"d\"\ninfrastructure = { provider = \"qemu\", cloud = { nodes = 2, cores = 1, memory_mib = 2048 } }\n\
                    software = { resource_manager = \"kubernetes\", resource_manager_only = true }\n";
        let config = |text: &str| {
            continuum_plan::parse(text, "d.toml", false, "d", &[])
                .unwrap()
                .config
        };
        let stages: Vec<_> = usual(&config(text), "qemu")
            .into_iter()
            .map(|s| s.0)
            .collect();
        assert_eq!(stages, ["machines and agents", "software", "cluster"]);
        assert!(usual(&config(text), "local").is_empty());
    }
}
