//! Config and address prefix to the plan.

use super::{managers, nodes, services};
use continuum_config::{Benchmark, Config, Runtime};
use continuum_model::{Installation, Plan, Prefix, Role};

/// What a checked config comes to. Pure: the same config and prefix give the same plan.
pub fn plan(config: &Config, prefix: Prefix) -> Plan {
    let manager = managers::find(config.software.resource_manager);
    let nodes = nodes::nodes(config, prefix);
    let mut installations = Vec::new();
    let mut brokers = Vec::new();
    for node in &nodes {
        let mut wanted: Vec<&str> = config
            .software
            .services
            .iter()
            .map(String::as_str)
            .filter(|_| !config.infrastructure.infra_only)
            .collect();
        if let Some(manager) = manager.filter(|_| !config.infrastructure.infra_only) {
            let needs = manager.needs(node);
            if needs.has_broker {
                brokers.push(node.name.clone());
            }
            // What agents run there needs its runtime.
            let in_pods = manager.runs_in_pods() && node.role != Role::Endpoint;
            let runtime = config
                .software
                .runtime()
                .filter(|_| !in_pods)
                .map(Runtime::name);
            wanted.extend(runtime.filter(|r| !wanted.contains(r)));
            for service in needs.services {
                if !wanted.contains(&service) {
                    wanted.push(service);
                }
            }
        }
        for service in wanted.into_iter().filter_map(services::find) {
            installations.push(Installation {
                node: node.name.clone(),
                component: service.component(config),
            });
        }
    }
    Plan {
        name: config.name.clone(),
        mode: config.mode(),
        prefix,
        nodes,
        installations,
        brokers,
        dataset: config
            .benchmark
            .as_ref()
            .and_then(Benchmark::dataset)
            .unwrap_or("photos")
            .to_owned(),
        event_bus: config.software.kubeedge.event_bus.to_string(),
        execution_model: config.software.execution_model.map(|m| m.to_string()),
        has_application: config.wanted_benchmark().is_some(),
    }
}
