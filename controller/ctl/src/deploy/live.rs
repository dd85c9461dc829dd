//! A deployment that is there: its config, its plan, its agents.

use continuum_agents::GrpcAgent;
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, keys::Secrets, state::Deployment};
use continuum_model::Plan;

/// Opens a live deployment with its config and plan.
pub fn open(context: &Context, name: &str) -> Result<(Deployment, Config, Plan), Error> {
    let deployment = Deployment::load(&context.root, name)?.ok_or_else(|| Error::NoDeployment {
        name: name.to_owned(),
    })?;
    let config = config_of(&deployment)?;
    let prefix = deployment.prefix().ok_or_else(|| {
        Error::other(
            format!("use deployment `{name}`"),
            "it was interrupted before it had addresses; run `continuum-ctl up` again",
        )
    })?;
    let plan = continuum_plan::plan(&config, prefix);
    Ok((deployment, config, plan))
}

/// Connections to all agents, in the order of nodes; made when first used.
pub fn connect_all(deployment: &Deployment, plan: &Plan) -> Result<Vec<GrpcAgent>, Error> {
    let secrets = Secrets::open(deployment)?;
    plan.nodes
        .iter()
        .map(|node| GrpcAgent::of_node(node, &secrets))
        .collect()
}

/// Values in which two configs differ, each with its whole path.
pub fn difference(old: &str, new: &str) -> String {
    let (old, new) = (paths(old), paths(new));
    let missing = |from: &[String], line: &String| !from.contains(line);
    let gone = old
        .iter()
        .filter(|l| missing(&new, l))
        .map(|l| format!("  - {l}"));
    let come = new
        .iter()
        .filter(|l| missing(&old, l))
        .map(|l| format!("  + {l}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

/// `[table]` and `key = value` as `table.key = value`.
fn paths(text: &str) -> Vec<String> {
    let mut table = String::new();
    let mut paths = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            table = format!("{name}.");
        } else if !line.is_empty() {
            paths.push(format!("{table}{line}"));
        }
    }
    paths
}

/// The config that a deployment was made with, or was upgraded to.
pub(super) fn config_of(deployment: &Deployment) -> Result<Config, Error> {
    let name = deployment.name();
    let checked = continuum_plan::parse(deployment.config(), "state.json", false, name, &[])?;
    Ok(checked.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_differ_are_shown() {
        assert_eq!(
            difference(
                "a = 1\n\n[t]\nb = 2\n[u]\nb = 3\n",
                "a = 1\n\n[t]\nb = 3\n[u]\nb = 3\n"
            ),
            "  - t.b = 2\n  + t.b = 3"
        );
    }
}
