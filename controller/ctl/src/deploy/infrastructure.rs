//! Waiting until every agent answers.

use crate::session::Session;
use continuum_agents::Agent;
use continuum_common::wait::Wait;
use continuum_host::error::Error;
use continuum_provider::{MachineState, NodeState, last_lines};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Emulated guests on a busy host take a minute and more.
const BOOT_DEADLINE: Duration = Duration::from_mins(7);
/// Who waits longer is told what for.
const USUAL: Duration = Duration::from_secs(45);
const TRY_DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(100);
/// The provider is asked about the machine every so many tries.
const STATE_EVERY: u32 = 20;

/// Returns when all agents answer as the right node of the right deployment, with the life of each.
pub(super) async fn wait_for_agents(session: &Session) -> Result<BTreeMap<String, String>, Error> {
    let waits = session.agents().iter().map(|agent| async move {
        let boot = wait_for(session, &**agent).await?;
        Ok::<_, Error>((agent.node().to_owned(), boot))
    });
    let boots = futures_util::future::try_join_all(waits).await?;
    Ok(boots.into_iter().collect())
}

async fn wait_for(session: &Session, agent: &dyn Agent) -> Result<String, Error> {
    let Session {
        context,
        deployment,
        provider,
        ..
    } = session;
    let begun = Instant::now();
    let node = agent.node();
    let console = async || {
        let console = provider.console(context, deployment, node).await;
        console.map_or_else(String::new, |text| {
            format!("; its console: {}", last_lines(&text))
        })
    };
    let check_state = async || {
        let states = provider.states(context, deployment).await?;
        let is_gone = |s: &NodeState| s.node == node && s.state != MachineState::Running;
        if states.iter().any(is_gone) {
            let why = format!("the node is not running any more{}", console().await);
            return Err(failed(node, why));
        }
        Ok(())
    };
    let mut wait = Wait::new(format!("the agent of node {node}"), BOOT_DEADLINE, RETRY);
    let mut tries = 0_u32;
    loop {
        let last = match tokio::time::timeout(TRY_DEADLINE, agent.info()).await {
            Ok(Ok(info)) if info.node == node && info.deployment_id == deployment.id() => {
                let seconds = begun.elapsed().as_secs_f64();
                context
                    .progress
                    .line(&format!("node {node} answers after {seconds:.1} s"));
                return Ok(info.boot());
            }
            Ok(Ok(info)) => {
                return Err(failed(
                    node,
                    format!(
                        "the agent there belongs to node {} of {}",
                        info.node, info.deployment_id
                    ),
                ));
            }
            // A version that does not fit will not fit later.
            Ok(Err(error @ Error::Foreign { .. })) => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", TRY_DEADLINE.as_secs()),
        };
        tries += 1;
        if tries.is_multiple_of(STATE_EVERY) {
            if begun.elapsed() > USUAL {
                let progress = &context.progress;
                progress.say(&format!("node {node} does not answer yet: {last}"));
            }
            check_state().await?;
        }
        if let Err(mut late) = wait.again(last).await {
            check_state().await?;
            late.last.push_str(&console().await);
            return Err(late.into());
        }
    }
}

fn failed(node: &str, why: String) -> Error {
    Error::Agent {
        doing: "wait for the agent".into(),
        node: node.to_owned(),
        why,
    }
}
