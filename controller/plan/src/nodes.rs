//! Which nodes there are: upstream's names, order and roles.

use crate::managers;
use continuum_config::Config;
use continuum_model::{Mode, NodePlan, Prefix, Role, Tier, mac};

pub(super) fn nodes(config: &Config, prefix: Prefix) -> Vec<NodePlan> {
    let infrastructure = &config.infrastructure;
    let has_controller = !infrastructure.infra_only
        && config.mode() != Mode::Endpoint
        && managers::find(config.software.resource_manager)
            .is_some_and(managers::ResourceManager::has_controller);
    let mut nodes = Vec::new();
    let mut next_core = 0;
    for tier in Tier::ALL {
        let spec = infrastructure.tiers.get(tier);
        for index in 0..spec.nodes {
            let controls = tier == Tier::Cloud && index == 0 && has_controller;
            let name = match (tier, controls) {
                (_, true) => "cloud_controller".to_owned(),
                // The controller takes a machine away, not a number.
                (Tier::Cloud, false) => format!("cloud{}", index - u32::from(has_controller)),
                _ => format!("{tier}{index}"),
            };
            let role = match (tier, controls) {
                (_, true) => Role::Controller,
                (Tier::Endpoint, _) => Role::Endpoint,
                _ => Role::Worker,
            };
            let own = infrastructure.controller;
            let cores = own.cores.filter(|_| controls).unwrap_or(spec.cores);
            let slot = nodes.len() as u32;
            let pinned = if infrastructure.cpu_pin {
                (next_core..next_core + cores).collect()
            } else {
                Vec::new()
            };
            next_core += cores;
            nodes.push(NodePlan {
                name,
                tier,
                role,
                slot,
                address: prefix.address(slot),
                mac: mac(&config.name, slot),
                cores,
                memory_mib: own
                    .memory_mib
                    .filter(|_| controls)
                    .unwrap_or(spec.memory_mib),
                quota: own.quota.filter(|_| controls).unwrap_or(spec.quota),
                disk_read_mb_s: spec.disk_read_mb_s,
                disk_write_mb_s: spec.disk_write_mb_s,
                pinned,
                // By slot, so that it never changes and every node can know all routes beforehand.
                pod_prefix: (has_controller && role != Role::Endpoint)
                    .then(|| managers::POD_PREFIXES.get(slot as u8).net()),
            });
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn plan(text: &str) -> Vec<NodePlan> {
        let config = parse(text, "t.toml", false, "t", &[]).unwrap().config;
        nodes(&config, Prefix::from([192, 168, 100]))
    }

    #[test]
    fn a_controller_takes_the_first_cloud_node() {
        let nodes = plan(
            r#"infrastructure = { provider = "qemu", cpu_pin = true, cloud = { nodes = 3, cores = 2, memory_mib = 1024, controller = { memory_mib = 4096 } }, endpoint = { nodes = 2, cores = 1, memory_mib = 512, quota = 0.5 } }
               software.resource_manager = "kubernetes"
               benchmark = { application = "image_classification", frequency = 1 }"#,
        );
        let names: Vec<_> = nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "cloud_controller",
                "cloud0",
                "cloud1",
                "endpoint0",
                "endpoint1"
            ]
        );
        assert_eq!((nodes[0].memory_mib, nodes[1].memory_mib), (4096, 1024));
        assert_eq!(nodes[0].role, Role::Controller);
        assert_eq!(nodes[4].address.to_string(), "192.168.100.6");
        assert_eq!(nodes[3].pinned, [6]);
    }

    #[test]
    fn without_a_manager_there_is_no_controller() {
        let nodes = plan(
            r#"infrastructure = { provider = "qemu", infra_only = true, cloud = { nodes = 1, cores = 2, memory_mib = 1024 } }"#,
        );
        assert_eq!(nodes[0].name, "cloud0");
    }
}
