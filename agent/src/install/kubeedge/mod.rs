//! `KubeEdge`, without keadm and without pulling anything: cloudcore beside a control plane of Kubernetes, edgecore in
//! the place of the kubelet on edge nodes. All may be asked for at once: the certificate authority and the token come
//! from the controller, so an edge waits for cloudcore instead of the other way round.
//!
//! ```text
//! cloudcore   programs ─ addons kept off edges ─ definitions and rights ─ certificates ─ streams ─ unit ─ it listens
//! edgecore    programs ─ kernel ─ network of pods ─ images ─ token ─ unit ─ it has its certificate
//! ```

mod cloudcore;
mod documents;
mod edgecore;

use crate::{error::AgentError, system::System};
use std::time::Duration;
use tokio::time::Instant;

pub use cloudcore::CloudCore;
pub use edgecore::EdgeCore;

const SHORT: Duration = Duration::from_mins(2);
/// Emulated machines pull themselves up slowly.
const START_DEADLINE: Duration = Duration::from_mins(14);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lines of a unit that an error brings.
const LAST_WORDS: &str = "--lines=6";

/// What a unit said last.
async fn last_words(unit: &str, system: &dyn System) -> String {
    let unit = format!("--unit={unit}");
    let argv = [
        "journalctl",
        &unit,
        LAST_WORDS,
        "--output=cat",
        "--no-pager",
    ];
    let said = system.run(&argv, SHORT).await.unwrap_or_default();
    said.lines().collect::<Vec<_>>().join(" | ")
}

/// Waits until somebody listens.
async fn wait_for(socket: &str, system: &dyn System) -> Result<(), AgentError> {
    let deadline = Instant::now() + START_DEADLINE;
    while !system.listens(socket).await {
        if Instant::now() > deadline {
            return Err(AgentError::Deadline {
                what: format!("{socket} to listen"),
                after: START_DEADLINE,
                last_seen: "it does not take connections".into(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Waits until `is_up`; a unit that says one of `hopeless` will never be.
async fn wait_up<F: Future<Output = bool>>(
    unit: &'static str,
    is_up: impl Fn() -> F,
    hopeless: &[&str],
    system: &dyn System,
) -> Result<(), AgentError> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        if is_up().await {
            return Ok(());
        }
        let said = last_words(unit, system).await;
        let is_hopeless = hopeless.iter().any(|words| said.contains(words));
        if is_hopeless || Instant::now() > deadline {
            let how = if is_hopeless {
                "it cannot get up".to_owned()
            } else {
                format!("not up within {} min", START_DEADLINE.as_secs() / 60)
            };
            return Err(AgentError::Program {
                program: unit.to_owned(),
                how,
                said,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
