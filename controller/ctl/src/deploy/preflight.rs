//! Everything that would stop `up`, said at once and before anything is made.

use super::execution_models;
use crate::artifacts;
use continuum_config::{Benchmark, Config};
use continuum_host::{context::Context, error::Error};
use continuum_model::Plan;
use continuum_plan::{applications::slow_link, managers};
use continuum_provider::{Allow, Provider};

/// Fails with every reason; returns what the user should know otherwise.
pub async fn preflight(
    context: &Context,
    provider: &dyn Provider,
    config: &Config,
    plan: &Plan,
    allow: Allow,
) -> Result<Vec<String>, Error> {
    let (mut warnings, mut reasons) = of_config(context, provider, config, plan, allow);
    // What the provider would look up is of no use when the config is refused anyway.
    if reasons.is_empty() {
        reasons.extend(provider.preflight(context, config, plan, allow).await);
        warnings.extend(provider.warnings(context, plan));
    }
    if reasons.is_empty() {
        Ok(warnings)
    } else {
        Err(Error::Preflight {
            name: config.name.clone(),
            reasons,
        })
    }
}

/// What can be said without a look at the machine: warnings, and reasons to refuse.
pub(super) fn of_config(
    context: &Context,
    provider: &dyn Provider,
    config: &Config,
    plan: &Plan,
    allow: Allow,
) -> (Vec<String>, Vec<String>) {
    let mut reasons = continuum_plan::not_yet(config);
    let mut warnings = Vec::new();
    if !config.infrastructure.infra_only {
        let manager = managers::find(config.software.resource_manager);
        if let Some((manager, why)) = manager.and_then(|m| Some((m, m.missing(config)?))) {
            reasons.push(format!("resource manager {}: {why}", manager.name()));
        } else if let Some(cluster) = manager.and_then(managers::ResourceManager::cluster) {
            if provider.capabilities().emulates_network {
                reasons.extend(super::cluster::missing(context, config, cluster));
            } else {
                reasons.push(format!(
                    "provider {} has no machines that a cluster could be made of",
                    provider.name()
                ));
            }
        }
        reasons.extend(super::cluster::missing_beside(context, config, plan));
        if let Some(installer) = execution_models::of(config) {
            let refusals = installer.refusals(config);
            let name = installer.kind();
            reasons.extend(
                refusals
                    .iter()
                    .map(|why| format!("execution model {name}: {why}")),
            );
        }
        if let Some(model) = continuum_plan::execution_models::of(config) {
            reasons.extend(artifacts::missing_named(context, model.components(config)));
        }
        for node in plan.nodes.iter().filter(|_| manager.is_some()) {
            let floor = manager.map_or(0, |m| m.needs(node).memory_floor_mib);
            if node.memory_mib < floor {
                let name = config.software.resource_manager;
                reasons.push(format!(
                    "node {} has {} MiB, {name} needs at least {floor}",
                    node.name, node.memory_mib
                ));
            }
        }
    }
    if config.network.is_emulated() && !provider.capabilities().emulates_network {
        let text = format!("provider {} cannot emulate links", provider.name());
        if allow.unemulated {
            warnings.push(format!(
                "{text}: they are as fast as this machine, and results say so"
            ));
        } else {
            reasons.push(format!(
                "{text}; set network.preset=none, or give --allow-unemulated"
            ));
        }
    }
    if let Some(dataset) = config.benchmark.as_ref().and_then(Benchmark::dataset) {
        let dataset_path = std::path::Path::new(dataset);
        if dataset_path.is_dir() {
            match crate::artifacts::photos_of(dataset_path) {
                Ok(photos) => warnings.extend(slow_link(config, mean_bytes(&photos))),
                Err(faults) => reasons.extend(faults),
            }
        } else {
            reasons.push(format!("benchmark.dataset `{dataset}` is not a directory"));
        }
    }
    for own in config.benchmark.iter().flat_map(Benchmark::images) {
        if let Some(path) = own.archive().filter(|p| !p.is_file()) {
            let path = path.display();
            reasons.push(format!("there is no container image archive `{path}`"));
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
    if plan.cores() > cores && provider.capabilities().emulates_network {
        warnings.push(format!(
            "{} virtual cores on {cores} physical ones: the nodes slow each other down, and results say so",
            plan.cores()
        ));
    }
    (warnings, reasons)
}

fn mean_bytes(photos: &[std::path::PathBuf]) -> f64 {
    let sizes = photos.iter().filter_map(|p| std::fs::metadata(p).ok());
    let all: u64 = sizes.map(|m| m.len()).sum();
    all as f64 / photos.len().max(1) as f64
}
