//! Recorded links during a run: all begin with it, and the result says how they were followed.

use crate::{report::FollowedTrace, session::Session};
use continuum_host::error::Error;
use continuum_model::Report;

/// Steps that are later than this are told: a window of mahimahi's traces is ten times as long.
const LATE_MS: f64 = 10.0;

fn has_traces(session: &Session) -> bool {
    !session.config.network.traces.is_empty() && session.provider.capabilities().emulates_network
}

/// From where they begin, on all nodes.
pub(super) async fn start(session: &Session) -> Result<(), Error> {
    if !has_traces(session) {
        return Ok(());
    }
    let nodes = session.agents().iter().map(|agent| agent.start_traces());
    futures_util::future::try_join_all(nodes).await.map(|_| ())
}

/// How they were followed until now; nodes that do not answer are told elsewhere.
pub(super) async fn followed(session: &Session) -> Vec<FollowedTrace> {
    if !has_traces(session) {
        return Vec::new();
    }
    let nodes = session.agents().iter().map(|agent| async move {
        let links = agent.links().await.unwrap_or_default().into_iter();
        let traces = links.filter_map(|link| {
            Some(FollowedTrace {
                from: agent.node().to_owned(),
                to: link.name,
                trace: link.trace?,
            })
        });
        traces.collect::<Vec<_>>()
    });
    let all = futures_util::future::join_all(nodes).await;
    all.into_iter().flatten().collect()
}

/// Tells readers of the result.
pub(super) fn tell(traces: &[FollowedTrace], report: &mut Report) {
    for FollowedTrace { from, to, trace } in traces {
        let is_late = trace.progress.late_max_ms > LATE_MS;
        let mark = if is_late || trace.progress.missed > 0 {
            " (not as recorded)"
        } else {
            ""
        };
        let note = format!("link {from} to {to}: {}{mark}", trace.followed());
        report.notes.push(note);
    }
}
