//! Rules between options.

use super::{
    check::Options,
    fault::{Fault, shown},
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
    let are_values_right = !faults.iter().any(|f| f.place.key.contains("benchmark"));
    let are_counts_right = !faults.iter().any(|f| f.place.key.ends_with("nodes"));
    let mut fault = |path: &str, text: String| options.fault(faults, path, text);
    let tiers = &config.infrastructure.tiers;
    if !is_name(&config.name) {
        fault(
            "name",
            format!(
                "`{}` must be 1 to {LONGEST_NAME} letters, digits, `-`, `_` or `.`, and not begin with `.` or `-`; give \
                 another with --set name=…",
                shown(&config.name)
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
        let number = |n: &str| {
            let is_plain = n.bytes().all(|b| b.is_ascii_digit());
            n.parse::<u8>().ok().filter(|_| is_plain)
        };
        let numbers: Vec<Option<u8>> = prefix.split('.').map(number).collect();
        // Up to 223 are addresses of single machines; 127 are those of this one.
        let is_local = config.infrastructure.provider == "local";
        let right = matches!(
            numbers.as_slice(),
            [Some(a), Some(b)] if (1..=223).contains(a) && (1..=254).contains(b) && (*a == 127) == is_local
        );
        if !right && !config.infrastructure.provider.is_empty() {
            let first = if is_local {
                "127"
            } else {
                "1 to 223 without 127"
            };
            fault(
                "infrastructure.prefix_ip",
                format!(
                    "`{}` is not two numbers with a dot: {first}, and 1 to 254",
                    shown(prefix)
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
    if config.software.event_bus == "external" && config.software.broker == "rumqttd" {
        fault(
            "software.event_bus",
            "external needs broker mosquitto: rumqttd has no topics that begin with `$`, as KubeEdge's do".into(),
        );
    }
    let provider = &config.infrastructure.provider;
    if config.software.runtime().is_some() && provider == "local" {
        fault(
            "software.container_runtime",
            "provider local shares this machine and runs processes only: leave it at native".into(),
        );
    }
    for step in config.benchmark.iter().flat_map(|b| &b.timeline) {
        if let Err(why) = step.parse::<super::TimelineStep>() {
            fault("benchmark.timeline", why);
        }
    }
    if infra_only {
        return;
    }
    // A manager that was refused is no reason to complain as if it were `none`.
    let is_given = options.text("software.resource_manager").is_some() && are_counts_right;
    if let Some(manager) = managers::find(&config.software.resource_manager).filter(|_| is_given) {
        for (path, text) in manager.check(config) {
            fault(path, text);
        }
    }
    if let Some(model) = crate::models::of(config)
        && options.text("software.resource_manager").is_some()
    {
        for (path, text) in model.check(config) {
            fault(path, text);
        }
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
    let calls_functions = matches!(
        &*benchmark.application,
        "image_classification" | "functions"
    );
    if config.software.execution_model.is_some() && !calls_functions {
        fault(
            "benchmark.application",
            "openfaas runs applications image_classification and functions only".into(),
        );
    }
    if benchmark.function.max_replicas < benchmark.function.min_replicas {
        let (most, least) = (
            benchmark.function.max_replicas,
            benchmark.function.min_replicas,
        );
        fault(
            "benchmark.max_replicas",
            format!("{most} is less than benchmark.min_replicas, which is {least}"),
        );
    }
    let application = applications::find(&benchmark.application).filter(|_| are_values_right);
    if let Some(application) = application {
        for (path, text) in application.check(config, benchmark) {
            fault(path, text);
        }
    }
}

/// Whether a deployment can have this name: it becomes a directory, a host name's neighbour and an argument.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.starts_with(['.', '-'])
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
