//! Clocks of nodes beside ours.

use super::STOP_DEADLINE;
use crate::session::Session;
use continuum_model::ClockOffset;
use std::collections::BTreeMap;

/// Offset of each node's clock, without the nodes that do not answer.
pub(super) async fn clocks_of_answering(session: &Session) -> BTreeMap<String, ClockOffset> {
    let offsets = session.agents().iter().map(|agent| async move {
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
