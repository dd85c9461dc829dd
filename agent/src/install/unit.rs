//! Units of systemd: enabled, started anew, asked what they said.

use super::{Progress, StepState};
use crate::{error::AgentError, system::System};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// For one question to systemd, on a machine that is emulated and busy.
const DEADLINE: Duration = Duration::from_mins(3);

/// After its file was written: systemd knows it, and starts it at every boot.
pub(super) async fn enable(unit: &str, system: &dyn System) -> Result<(), AgentError> {
    system
        .run(&["systemctl", "daemon-reload"], DEADLINE)
        .await?;
    let argv = ["systemctl", "enable", "--quiet", unit];
    system.run(&argv, DEADLINE).await.map(|_| ())
}

/// Starts it anew. Returns when that was, for [`words_since`].
pub(super) async fn restart(unit: &str, system: &dyn System) -> Result<SystemTime, AgentError> {
    let begun = SystemTime::now();
    let argv = ["systemctl", "restart", unit];
    system.run(&argv, DEADLINE).await.map(|_| begun)
}

/// Starts it, if it does not run.
pub(super) async fn start(unit: &str, system: &dyn System) -> Result<(), AgentError> {
    let argv = ["systemctl", "start", unit];
    system.run(&argv, DEADLINE).await.map(|_| ())
}

/// Ends it until the next boot.
pub(super) async fn stop(unit: &str, system: &dyn System) -> Result<(), AgentError> {
    let argv = ["systemctl", "stop", unit];
    system.run(&argv, DEADLINE).await.map(|_| ())
}

/// Has a unit of a package run, now and at every boot: started anew when its configuration has changed, else left alone.
pub(super) async fn run(
    unit: &str,
    has_changed: bool,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    progress.report("service", StepState::Running, "systemctl enable and start");
    system.run(&["systemctl", "enable", unit], DEADLINE).await?;
    let verb = if has_changed { "restart" } else { "start" };
    match system.run(&["systemctl", verb, unit], DEADLINE).await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(unit, error, system).await),
    }
}

pub(super) async fn is_active(unit: &str, system: &dyn System) -> bool {
    let argv = ["systemctl", "is-active", "--quiet", unit];
    system.run(&argv, DEADLINE).await.is_ok()
}

/// The last `lines` lines that it said.
pub(super) async fn last_words(unit: &str, lines: usize, system: &dyn System) -> Vec<String> {
    journal(unit, &format!("--lines={lines}"), system).await
}

/// Lines of a unit that an error brings.
const LAST_WORDS: usize = 8;

/// Adds the last words of a unit to the error of what needed it.
pub(super) async fn explain(unit: &str, error: AgentError, system: &dyn System) -> AgentError {
    let words = last_words(unit, LAST_WORDS, system).await.join(" | ");
    let name = unit.trim_end_matches(".service");
    match error {
        AgentError::Program { program, how, said } => AgentError::Program {
            program,
            how,
            said: format!("{said}; {name}: {words}"),
        },
        AgentError::Deadline {
            what,
            after,
            last_seen,
        } => AgentError::Deadline {
            what,
            after,
            last_seen: format!("{last_seen}; {name}: {words}"),
        },
        other => other,
    }
}

/// What it said since then. Whole seconds count, so that there may be a little more.
pub(super) async fn words_since(unit: &str, begun: SystemTime, system: &dyn System) -> Vec<String> {
    let since = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    journal(unit, &format!("--since=@{}", since.as_secs()), system).await
}

async fn journal(unit: &str, which: &str, system: &dyn System) -> Vec<String> {
    let unit = format!("--unit={unit}");
    let argv = ["journalctl", &unit, which, "--output=cat", "--no-pager"];
    let said = system.run(&argv, DEADLINE).await.unwrap_or_default();
    said.lines().map(str::to_owned).collect()
}
