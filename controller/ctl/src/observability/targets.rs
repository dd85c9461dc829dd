//! What a Prometheus of this host is to read of a deployment: a file for its discovery by files, which it looks at again by
//! itself. One job of its config finds all deployments, and nothing of those that are gone.

use continuum_common::files;
use continuum_config::{Config, Observability};
use continuum_host::{error::Error, state::StateRoot};
use continuum_model::{Plan, is_name};
use serde_json::{Value, json};
use std::{os::unix::fs::DirBuilderExt, path::PathBuf};

/// Where the figures of nodes and runs are told, unless the dashboard says another address.
pub(crate) const DASHBOARD: &str = "127.0.0.1:3000";

/// Where it lies. Beside the deployment's own directory, which a Prometheus that runs as a user of its own cannot enter.
pub(crate) fn path(root: &StateRoot, name: &str) -> PathBuf {
    root.prometheus().join(format!("{name}.json"))
}

/// Writes it, for a config that asks for it. `dashboard` is where the figures of nodes and runs are told.
pub(crate) fn write(
    root: &StateRoot,
    config: &Config,
    plan: &Plan,
    dashboard: &str,
) -> Result<Option<PathBuf>, Error> {
    if config.software.observability != Observability::OnHost {
        return Ok(None);
    }
    let dir = root.prometheus();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&dir)
        .map_err(Error::file("create", &dir))?;
    let path = path(root, &plan.name);
    let text = format!("{:#}\n", targets(plan, dashboard));
    // Nothing in it is secret.
    files::replace(&path, Some(0o644), text).map_err(Error::file("write", &path))?;
    Ok(Some(path))
}

/// A deployment that is gone has nothing to be read.
pub(crate) fn remove(root: &StateRoot, name: &str) -> Result<(), Error> {
    if !is_name(name) {
        return Ok(());
    }
    let path = path(root, name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

fn targets(plan: &Plan, dashboard: &str) -> Value {
    let job = |job: &str, target: String| json!({ "targets": [target], "labels": { "job": job, "deployment": plan.name } });
    let gateway = plan.gateway_metrics_address();
    let gateway = gateway.filter(|_| plan.execution_model.is_some());
    let nodes = job("continuum", dashboard.to_string());
    std::iter::once(nodes)
        .chain(gateway.map(|address| job("gateway", address)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    fn planned(software: &str) -> (Config, Plan) {
        let text = format!(
            "[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 2\ncores = 2\nmemory_mib = 2048\n\
             [software]\nresource_manager = \"kubernetes\"\nresource_manager_only = true\n{software}"
        );
        let checked = continuum_plan::parse(&text, "lab.toml", false, "lab", &[]).unwrap();
        let plan = continuum_plan::plan(&checked.config, Prefix::from([192, 168, 100]));
        (checked.config, plan)
    }

    #[test]
    fn the_gateway_is_a_target_where_there_is_one() {
        let (_, plan) = planned("");
        let nodes = json!({ "targets": ["127.0.0.1:3000"],
            "labels": { "job": "continuum", "deployment": "lab" } });
        assert_eq!(targets(&plan, DASHBOARD), json!([nodes]));
        let (_, plan) = planned("execution_model = \"openfaas\"\n");
        let gateway = json!({ "targets": [format!("{}:8082", plan.nodes[0].address)],
            "labels": { "job": "gateway", "deployment": "lab" } });
        assert_eq!(targets(&plan, DASHBOARD), json!([nodes, gateway]));
    }

    #[test]
    fn only_a_config_that_asks_for_it_has_the_file_and_it_can_be_removed_twice() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path()).unwrap();
        let write = |software: &str| {
            let (config, plan) = planned(software);
            write(&root, &config, &plan, DASHBOARD).unwrap()
        };
        assert_eq!(write(""), None);
        assert!(!root.prometheus().exists());
        let path = write("observability = \"host\"\n").unwrap();
        assert!(path.is_file());
        for _ in 0..2 {
            remove(&root, "lab").unwrap();
            assert!(!path.exists());
        }
    }
}
