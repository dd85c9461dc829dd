//! What a config's machines will get, by file: told before anything is made.

use crate::artifacts::WORKLOAD;
use continuum_config::Config;
use continuum_host::{context::Context, error::Error};
use continuum_images::{
    components::{self, Catalogue},
    package_lock::LockedPackage,
    store,
};
use continuum_model::Plan;
use continuum_plan::{execution_models, managers};
use std::collections::BTreeSet;

/// Packages of the guest image behind a component that comes with it.
const OF_THE_GUEST: [(&str, &[&str]); 1] = [(
    "containerd",
    &["containerd", "runc", "crun", "containernetworking-plugins"],
)];

/// A file that is brought to machines, or is in their image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct PlannedFile {
    pub component: String,
    pub version: String,
    pub name: String,
    pub size_bytes: u64,
    pub sha256: String,
}

fn package(component: &str, package: &LockedPackage) -> PlannedFile {
    PlannedFile {
        component: component.to_owned(),
        version: package.version.clone(),
        name: package.file_name(),
        size_bytes: package.size_bytes,
        sha256: package.sha256.clone(),
    }
}

/// Components of the catalogue that a config needs, with the version of each that belongs to its cluster.
fn from_catalogue(
    catalogue: &Catalogue,
    config: &Config,
    plan: &Plan,
) -> Vec<(&'static str, Option<String>)> {
    let mut all = Vec::new();
    let manager = managers::find(config.software.resource_manager)
        .filter(|_| !config.infrastructure.infra_only);
    if let Some(cluster) = manager.and_then(managers::ResourceManager::cluster)
        // A version that does not exist is among the reasons of the refusal.
        && let Ok(stack) = cluster.stack(catalogue, config)
    {
        let functions = execution_models::of(config).map(|m| m.components(config));
        let names = cluster.components().iter();
        for name in names.chain(functions.unwrap_or_default()) {
            all.push((*name, stack.versions.get(*name).cloned()));
        }
    }
    let beside = plan.installations.iter();
    all.extend(beside.filter_map(|i| Some((i.component.from_store?, None))));
    if config.software.runtime().is_some() && plan.has_application {
        all.push((WORKLOAD.0, None));
    }
    let mut seen = BTreeSet::new();
    all.retain(|(name, _)| seen.insert(*name));
    all
}

/// What a config's machines are given, as far as it is here: files of the store, packages beside the image, and those in
/// it that components are.
pub fn planned_files(
    context: &Context,
    config: &Config,
    plan: &Plan,
) -> Result<Vec<PlannedFile>, Error> {
    let catalogue = Catalogue::builtin()?;
    let mut files = Vec::new();
    for (name, version) in from_catalogue(&catalogue, config, plan) {
        let component = catalogue.find(name, version.as_deref())?;
        // What is not here is among the reasons of the refusal.
        let Ok(Some(stored)) = components::find(&context.cache, component) else {
            continue;
        };
        files.extend(stored.files.iter().map(|(name, file)| PlannedFile {
            component: stored.name.clone(),
            version: stored.version.clone(),
            name: name.clone(),
            size_bytes: file.size_bytes,
            sha256: file.sha256.clone(),
        }));
    }
    let Ok(image) = store::current(&context.cache) else {
        return Ok(files);
    };
    let mut packages = BTreeSet::new();
    for installation in &plan.installations {
        let component = &installation.component;
        let of_guest = OF_THE_GUEST
            .iter()
            .find(|(name, _)| *name == component.name);
        let names = of_guest.map_or(&[][..], |(_, names)| *names);
        let in_it = image.manifest.packages.packages.iter();
        let in_it = in_it.filter(|p| names.contains(&&*p.name));
        let beside = component.extras.as_ref();
        let beside = beside.and_then(|name| image.manifest.extras.get(name));
        let beside = beside.into_iter().flat_map(|lock| &lock.packages);
        packages.extend(in_it.chain(beside).map(|p| package(component.name, p)));
    }
    files.extend(packages);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    fn names(text: &str) -> Vec<&'static str> {
        let config = continuum_plan::parse(text, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let plan = continuum_plan::plan(&config, Prefix::from([192, 168, 100]));
        let catalogue = Catalogue::builtin().unwrap();
        let all = from_catalogue(&catalogue, &config, &plan);
        all.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn each_component_is_named_once_whatever_needs_it() {
        let machines = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n";
        let docker = format!(
            "{machines}endpoint = {{ nodes = 2, cores = 1, memory_mib = 1024 }}\n[software]\nresource_manager = \"none\"\n\
             container_runtime = \"docker\"\n[benchmark]\napplication = \"image_classification\"\nfrequency = 1\n"
        );
        assert_eq!(names(&docker), ["docker", "workload-image"]);
        let cluster = format!(
            "{machines}cloud = {{ nodes = 2, cores = 1, memory_mib = 2048 }}\n[software]\n\
             resource_manager = \"kubernetes\"\nresource_manager_only = true\n"
        );
        let all = ["kubernetes", "kubernetes-images", "workload-image"];
        assert_eq!(names(&cluster), all);
    }
}
