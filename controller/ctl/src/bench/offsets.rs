//! Clocks of nodes beside ours.

use super::STOP_DEADLINE;
use continuum_agents::{Agent, GrpcAgent};
use continuum_host::error::Error;
use continuum_model::ClockOffset;
use std::collections::BTreeMap;

/// Offset of each node's clock.
pub(super) async fn clocks(agents: &[GrpcAgent]) -> Result<BTreeMap<String, ClockOffset>, Error> {
    let offsets = agents.iter().map(|agent| async move {
        agent
            .clock_offset()
            .await
            .map(|offset| (agent.node().to_owned(), offset))
    });
    Ok(futures_util::future::try_join_all(offsets)
        .await?
        .into_iter()
        .collect())
}

/// Likewise, without the nodes that do not answer.
pub(super) async fn clocks_of_answering(agents: &[GrpcAgent]) -> BTreeMap<String, ClockOffset> {
    let offsets = agents.iter().map(|agent| async move {
        let offset = tokio::time::timeout(STOP_DEADLINE, agent.clock_offset())
            .await
            .ok()?
            .ok()?;
        Some((agent.node().to_owned(), offset))
    });
    futures_util::future::join_all(offsets)
        .await
        .into_iter()
        .flatten()
        .collect()
}
