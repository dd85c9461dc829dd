//! What managers, services, execution models and applications ask of a config.

use super::{
    applications::{self, Application},
    execution_models, link_ends, links_of, managers, planner, services, timelines, unused_options,
};
use continuum_config::{
    ApplicationKind, Benchmark, Config, Findings, FunctionSpec, KubeDeployment, ManagerKind, Which,
};
use continuum_model::{Prefix, Tier};

/// More have no addresses; that is a fault of its own.
const MOST_NODES: u32 = 250;

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let are_values_right = !findings.is_wrong_value("benchmark")
        && !findings.is_wrong_value("software.resource_manager");
    let are_counts_right = findings.are_counts_right();
    let infra_only = config.infrastructure.infra_only;
    if !infra_only && !findings.is_given("software.resource_manager") {
        findings.fault(
            "software.resource_manager",
            format!(
                "is required unless infra_only: {}",
                ManagerKind::NAMES.join(", ")
            ),
        );
    }
    for service in &config.software.services {
        if services::find(service).is_none() {
            findings.fault(
                "software.services",
                format!("`{service}` is not one of {}", services::names().join(", ")),
            );
        }
    }
    if are_counts_right {
        check_overrides(config, findings);
    }
    if infra_only {
        return;
    }
    // A manager that was refused is no reason to complain as if it were `none`.
    let is_given = findings.is_right_text("software.resource_manager") && are_counts_right;
    if let Some(manager) = managers::find(config.software.resource_manager).filter(|_| is_given) {
        for (path, text) in manager.check(config) {
            findings.fault(path, text);
        }
        for text in manager.warnings() {
            findings.warn(text);
        }
    }
    if let Some(model) = execution_models::of(config)
        && findings.is_right_text("software.resource_manager")
    {
        for (path, text) in model.check(config) {
            findings.fault(path, text);
        }
    }
    let Some(benchmark) = &config.benchmark else {
        if !config.software.resource_manager_only && !findings.is_given("benchmark.application") {
            findings.fault(
                "benchmark.application",
                format!(
                    "is required unless resource_manager_only: {}",
                    ApplicationKind::NAMES.join(", ")
                ),
            );
        }
        return;
    };
    if config.software.resource_manager_only {
        findings.warn(format!(
            "application {} will not run: resource_manager_only is set",
            benchmark.kind()
        ));
        return;
    }
    let application = applications::of(benchmark);
    if config.software.execution_model.is_some() && !application.may_call_functions() {
        findings.fault(
            "benchmark.application",
            "openfaas runs applications image_classification and functions only",
        );
    }
    check_replicas(findings);
    check_deployment(benchmark, application, findings);
    unused_options::warn(config, benchmark, findings);
    if are_values_right {
        application.check(config, benchmark, findings);
    }
    let tiers = &config.infrastructure.tiers;
    let nodes: u32 = Tier::ALL.iter().map(|t| tiers.get(*t).nodes).sum();
    // Which nodes there are, and what they run, is known then.
    let is_known = is_given
        && (1..=MOST_NODES).contains(&nodes)
        && findings.is_right_text("infrastructure.provider");
    if is_known && !findings.is_wrong_value("network") {
        timelines::check(config, benchmark, findings);
    }
}

/// One object of a cluster carries only what is alike.
fn check_deployment(
    benchmark: &Benchmark,
    application: &dyn Application,
    findings: &mut Findings<'_>,
) {
    let path = "benchmark.kube_deployment";
    if application.has_like_workers() || !findings.is_given(path) {
        return;
    }
    let kind = benchmark.kind();
    match benchmark.kube_deployment {
        Some(KubeDeployment::Container) => findings.fault(
            path,
            format!("workers of application {kind} are told different things: use file or call"),
        ),
        Some(KubeDeployment::Pod) => {
            let name = findings.name(path);
            findings.warn(format!(
                "{name}: workers of application {kind} are told different things, and come as a Job each: as with file"
            ));
        }
        _ => {}
    }
}

/// Links of nodes that are not there, or that have none.
fn check_overrides(config: &Config, findings: &mut Findings<'_>) {
    let tiers = &config.infrastructure.tiers;
    let nodes: u32 = Tier::ALL.iter().map(|t| tiers.get(*t).nodes).sum();
    if !config.network.is_emulated() || !(1..=MOST_NODES).contains(&nodes) {
        return;
    }
    // Names are the same with any addresses.
    let plan = planner::plan(config, Prefix::from([10, 0, 0]));
    for (row, own) in config.network.overrides.iter().enumerate() {
        let checked = match &own.which {
            Which::Node(name) => link_ends::node(&plan.nodes, name).map(|_| ()),
            Which::Between(a, b) | Which::OneWay(a, b) => {
                link_ends::check_places(&plan.nodes, &config.network, a, b)
            }
        };
        if let Err(why) = checked {
            findings.fault_in_row("network.override", row, format!("`{own}`: {why}"));
        }
    }
    // Each is right by itself; together they may be none.
    let mut told = Vec::new();
    for node in &plan.nodes {
        for class in links_of(node, &plan.nodes, &config.network) {
            if let Some(why) = class.link.impossible()
                && !told.contains(&why)
                && !config.network.overrides.is_empty()
            {
                let text = format!("from {} to {}: {why}", node.name, class.name);
                findings.fault("network.override", text);
                told.push(why);
            }
        }
    }
}

/// As they are written, also where no function makes use of them.
fn check_replicas(findings: &mut Findings<'_>) {
    let usual = FunctionSpec::default();
    let least = findings.number("benchmark.min_replicas");
    let least = least.unwrap_or_else(|| usual.min_replicas.into());
    let most = findings.number("benchmark.max_replicas");
    let most = most.unwrap_or_else(|| usual.max_replicas.into());
    if most < least {
        findings.fault(
            "benchmark.max_replicas",
            format!("{most} is less than benchmark.min_replicas, which is {least}"),
        );
    }
}
