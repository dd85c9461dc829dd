//! Whether nodes are those that `up` made, and stay so during a run.

use super::STOP_DEADLINE;
use crate::session::Session;
use continuum_host::error::Error;
use continuum_model::Report;
use std::collections::BTreeMap;

/// Boot and process of each agent that answers.
pub(super) async fn boots_of(session: &Session) -> BTreeMap<String, String> {
    let infos = session.agents().iter().map(|agent| async move {
        let info = tokio::time::timeout(STOP_DEADLINE, agent.info())
            .await
            .ok()?
            .ok()?;
        Some((agent.node().to_owned(), info.boot()))
    });
    futures_util::future::join_all(infos)
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// A node that was started again in the middle has lost its broker and its runs; its links it has kept.
pub(super) fn same_boots(
    report: &mut Report,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) {
    for (node, boot) in before {
        if after.get(node).is_some_and(|later| later != boot) {
            report.invalid.push(format!(
                "node {node} or its agent was started again during the run"
            ));
        }
    }
}

/// The same for nodes before a run: what `up` made must still be there.
pub(super) fn check_boots(
    session: &Session,
    boots: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let Session {
        deployment, plan, ..
    } = session;
    let mut reasons = Vec::new();
    for node in plan.nodes.iter().filter(|n| !boots.contains_key(&n.name)) {
        reasons.push(format!(
            "the agent of node {} does not answer; `continuum-ctl up {}` brings it back",
            node.name,
            deployment.name()
        ));
    }
    for (node, boot) in boots {
        if deployment.boot(node).is_some_and(|made| made != boot) {
            reasons.push(format!(
                "node {node} or its agent was started again, so its broker and runs are gone; `continuum-ctl up {}` \
                 sets it up again",
                deployment.name()
            ));
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::Preflight {
        name: deployment.name().to_owned(),
        reasons,
    })
}
