//! `KubeEdge`, without keadm and without pulling anything: cloudcore beside a control plane of Kubernetes, edgecore in
//! the place of the kubelet on edge nodes. All may be asked for at once: the certificate authority and the token come
//! from the controller, so an edge waits for cloudcore instead of the other way round.
//!
//! ```text
//! cloudcore   programs ─ addons kept off edges ─ definitions and rights ─ certificates ─ streams ─ unit ─ it listens
//! edgecore    programs ─ kernel ─ network of pods ─ images ─ token ─ unit ─ it has its certificate
//! ```

mod certificate;
mod cloudcore;
mod edgecore;
mod kubeedge_config;

use super::unit;
use crate::{error::AgentError, system::System};
use continuum_common::wait::{Patience, Wait};
use std::time::Duration;

pub(crate) use cloudcore::CloudCore;
pub(crate) use edgecore::EdgeCore;
pub use kubeedge_config::rights;

const SHORT: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lines of a unit that an error brings.
const LAST_WORDS: usize = 6;

/// Waits until somebody listens.
async fn wait_for(socket: &str, patience: Duration, system: &dyn System) -> Result<(), AgentError> {
    let mut wait = Wait::new(format!("{socket} to listen"), patience, LOOK_EVERY);
    while !system.listens(socket).await {
        wait.again("it does not take connections").await?;
    }
    Ok(())
}

/// cloudcore and edgecore end with one exit code whatever the reason is, and are started again: only their log tells. What
/// ends one is followed by a trace of where it was.
fn hopeless_line_of_log<'a>(log: &'a [String], hopeless: &[&str]) -> Option<&'a String> {
    let is_hopeless = |line: &&String| hopeless.iter().any(|words| line.contains(words));
    log.iter().rfind(is_hopeless)
}

/// Starts a unit anew and waits until `is_up`. One that says one of `hopeless` will never be, and is stopped: it would
/// start again and again.
async fn bring_up<F: Future<Output = bool>>(
    unit: &'static str,
    is_up: impl Fn() -> F,
    hopeless: &[&str],
    patience: Duration,
    system: &dyn System,
) -> Result<(), AgentError> {
    let begun = unit::restart(unit, system).await?;
    let mut left = Patience::new(patience, LOOK_EVERY);
    loop {
        if is_up().await {
            return Ok(());
        }
        let words = unit::words_since(unit, begun, system).await;
        let (how, said) = if let Some(line) = hopeless_line_of_log(&words, hopeless) {
            unit::stop(unit, system).await?;
            ("it cannot get up, and was stopped".to_owned(), line.clone())
        } else if left.again(()).await.is_ok() {
            continue;
        } else {
            let how = format!("not up within {} min", patience.as_secs() / 60);
            let last = &words[words.len().saturating_sub(LAST_WORDS)..];
            (how, last.join(" | "))
        };
        let program = unit.to_owned();
        return Err(AgentError::Program { program, how, said });
    }
}

#[cfg(test)]
mod tests;
