//! Rules between options.

use super::{
    check::Options,
    fault::Fault,
    model::{Config, Tier},
};
use crate::{applications, managers, services};

/// Longest name: it goes into libvirt names and paths.
const LONGEST_NAME: usize = 40;

pub(super) fn check(
    config: &Config,
    options: &Options<'_>,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) {
    // Counts that are wrong by themselves would make the rules below complain about the wrong thing.
    let are_counts_right = !faults.iter().any(|f| f.place.key.ends_with("nodes"));
    let mut fault = |path: &str, text: String| options.fault(faults, path, text);
    let tiers = &config.infrastructure.tiers;
    let name_is_right = !config.name.is_empty()
        && config.name.len() <= LONGEST_NAME
        && config
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !config.name.starts_with(['.', '-']);
    if !name_is_right {
        fault(
            "name",
            format!(
                "`{}` must be 1 to {LONGEST_NAME} letters, digits, `-`, `_` or `.`, and not begin with `.` or `-`",
                config.name.escape_debug()
            ),
        );
    }
    let nodes: u32 = Tier::ALL.iter().map(|t| tiers.get(*t).nodes).sum();
    if nodes == 0 && are_counts_right {
        fault(
            "infrastructure.cloud.nodes",
            "there must be at least one node in one of the tiers".into(),
        );
    }
    // Host numbers 2 to 251 of one /24; more would run into the next network.
    if nodes > 250 {
        fault(
            "infrastructure.endpoint.nodes",
            format!("{nodes} nodes are more than the 250 that one network holds"),
        );
    }
    if let Some(prefix) = &config.infrastructure.prefix_ip {
        let numbers: Vec<Option<u8>> = prefix.split('.').map(|n| n.parse().ok()).collect();
        let right = matches!(numbers.as_slice(), [Some(a), Some(b)] if (1..=254).contains(a) && (1..=254).contains(b));
        if !right {
            fault(
                "infrastructure.prefix_ip",
                format!(
                    "`{}` is not two numbers of 1 to 254 with a dot",
                    prefix.escape_debug()
                ),
            );
        }
    }
    let infra_only = config.infrastructure.infra_only;
    if !infra_only && !options.is_given("software.resource_manager") {
        fault(
            "software.resource_manager",
            format!(
                "is required unless infra_only: {}",
                managers::names().join(", ")
            ),
        );
    }
    for service in &config.software.services {
        if services::find(service).is_none() {
            fault(
                "software.services",
                format!("`{service}` is not one of {}", services::names().join(", ")),
            );
        }
    }
    if infra_only {
        return;
    }
    let is_given = options.is_given("software.resource_manager") && are_counts_right;
    if let Some(manager) = managers::find(&config.software.resource_manager).filter(|_| is_given) {
        for (path, text) in manager.check(config) {
            fault(path, text);
        }
    }
    if config.software.execution_model.is_some()
        && config.software.resource_manager != "kubernetes"
        && options.is_given("software.resource_manager")
    {
        fault(
            "software.execution_model",
            "openfaas needs resource_manager = kubernetes".into(),
        );
    }
    let Some(benchmark) = &config.benchmark else {
        if !config.software.resource_manager_only && !options.is_given("benchmark.application") {
            fault(
                "benchmark.application",
                format!(
                    "is required unless resource_manager_only: {}",
                    applications::names().join(", ")
                ),
            );
        }
        return;
    };
    if config.software.resource_manager_only {
        warnings.push(format!(
            "application {} will not run: resource_manager_only is set",
            benchmark.application
        ));
        return;
    }
    if let Some(application) = applications::find(&benchmark.application) {
        for (path, text) in application.check(config, benchmark) {
            fault(path, text);
        }
    }
}

/// `endpoints` must spread evenly over `workers`.
pub(crate) fn spread_evenly(
    endpoints: u32,
    workers: u32,
    worker_word: &str,
) -> Option<(&'static str, String)> {
    let uneven = workers > 0 && endpoints > 0 && !endpoints.is_multiple_of(workers);
    uneven.then(|| {
        (
            "infrastructure.endpoint.nodes",
            format!("{endpoints} endpoints do not spread evenly over {workers} {worker_word}"),
        )
    })
}
