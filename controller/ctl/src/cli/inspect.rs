//! list, status. None of them locks anything.

use super::output::Output;
use crate::{deploy, session::Session};
use continuum_host::{context::Context, error::Error, state::Deployment};
use continuum_provider::MachineState;
use serde_json::json;
use std::time::Duration;

const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

pub(super) async fn list(context: &Context, output: &Output) -> Result<(), Error> {
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for name in context.root.names()? {
        let deployment = match Deployment::load(&context.root, &name) {
            Ok(Some(deployment)) => deployment,
            Ok(None) => continue,
            Err(error) => {
                let why = continuum_host::error::chain(&error);
                all.push(json!({ "name": name, "error": why }));
                rows.push(vec![name, "?".into(), "?".into(), why]);
                continue;
            }
        };
        let states = match continuum_provider::find(deployment.provider()) {
            Ok(provider) => provider.states(context, &deployment).await,
            Err(error) => Err(error),
        };
        let state = match states {
            Ok(states) => {
                let running = states
                    .iter()
                    .filter(|s| s.state == MachineState::Running)
                    .count();
                format!("{running} of {} nodes running", states.len())
            }
            Err(error) => continuum_host::error::chain(&error),
        };
        let prefix = deployment
            .prefix()
            .map_or_else(|| "-".to_owned(), |p| p.to_string());
        all.push(json!({ "name": name, "id": deployment.id(), "provider": deployment.provider(), "prefix": prefix, "state": state }));
        rows.push(vec![name, deployment.provider().to_owned(), prefix, state]);
    }
    if rows.is_empty() {
        output.text("no deployments; `continuum-ctl up CONFIG` makes one");
    } else {
        output.table(&["name", "provider", "network", "state"], rows);
    }
    output.json(&json!({ "deployments": all }));
    Ok(())
}

pub(super) async fn status(
    context: &Context,
    output: &Output,
    name: Option<String>,
) -> Result<(), Error> {
    let Some(name) = name else {
        return list(context, output).await;
    };
    let session = Session::open(context, &name)?;
    let Session {
        deployment,
        plan,
        provider,
        ..
    } = &session;
    let states = provider.states(context, deployment).await?;
    let mut rows = Vec::new();
    let mut nodes = Vec::new();
    for (node, agent) in session.nodes() {
        let state = states.iter().find(|s| s.node == node.name);
        let state = state.map_or(MachineState::Gone, |s| s.state);
        let machine = machine_word(state, deployment.boot(&node.name).is_some());
        let answer = tokio::time::timeout(ANSWER_DEADLINE, agent.metrics()).await;
        let answers = matches!(answer, Ok(Ok(_)));
        let (word, load) = match answer {
            Ok(Ok(Some(sample))) => (
                "answers".to_owned(),
                format!(
                    "cpu {:.0} %, memory {} of {} MiB",
                    sample.cpu_percent,
                    sample.memory_used_bytes >> 20,
                    sample.memory_total_bytes >> 20
                ),
            ),
            Ok(Ok(None)) => ("answers".to_owned(), "-".to_owned()),
            Ok(Err(_)) | Err(_) => ("silent".to_owned(), "-".to_owned()),
        };
        let broker = if plan.brokers.contains(&node.name) && answers {
            agent.broker_stats().await.map_or_else(
                |_| "?".to_owned(),
                |b| {
                    if b.running {
                        format!("{} running, {} restarts", b.backend, b.restarts)
                    } else {
                        "stopped".into()
                    }
                },
            )
        } else {
            "-".to_owned()
        };
        nodes.push(json!({ "node": node.name, "address": node.address, "machine": machine, "agent": word, "load": load, "broker": broker }));
        rows.push(vec![
            node.name.clone(),
            node.address.to_string(),
            machine,
            word,
            load,
            broker,
        ]);
    }
    output.table(
        &["node", "address", "machine", "agent", "load", "broker"],
        rows,
    );
    let in_force = deploy::link_requests(deployment)?;
    for request in in_force.iter() {
        output.text(&format!("in force: {request}"));
    }
    let unready = deploy::unready_nodes(deployment, plan).await;
    for (node, why) in &unready {
        output.text(&format!("{node} is not ready: {why}"));
    }
    output.json(&json!({
        "name": name,
        "nodes": nodes,
        "in_force": in_force,
        "not_ready": unready,
        "facts": deployment.facts(),
    }));
    Ok(())
}

/// How a machine is. One that is not there and never answered was not made yet: `up` was stopped before.
fn machine_word(state: MachineState, has_answered: bool) -> String {
    match state {
        MachineState::Gone if !has_answered => "not made".to_owned(),
        state => state.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_was_never_made_is_not_gone() {
        assert_eq!(machine_word(MachineState::Gone, false), "not made");
        assert_eq!(machine_word(MachineState::Gone, true), "gone");
        assert_eq!(machine_word(MachineState::Running, false), "running");
    }
}
