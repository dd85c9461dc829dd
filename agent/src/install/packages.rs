//! Debian packages that come as artifacts: all that a component needs, so nothing is asked for elsewhere.

use super::{InstallSpec, Progress, StepState};
use crate::{error::AgentError, system::System};
use std::time::Duration;

const DPKG_DEADLINE: Duration = Duration::from_mins(8);

/// Where the packages among the artifacts lie; without one there is nothing to install.
pub(super) fn of(what: &str, spec: &InstallSpec) -> Result<Vec<String>, AgentError> {
    let debs: Vec<String> = spec
        .artifacts
        .iter()
        .filter(|(artifact, _)| artifact.name.ends_with(".deb"))
        .map(|(_, path)| path.display().to_string())
        .collect();
    if debs.is_empty() {
        return Err(AgentError::Invalid(format!(
            "{what} needs its Debian packages as artifacts"
        )));
    }
    Ok(debs)
}

pub(super) async fn install(
    debs: &[String],
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    progress.report(
        "packages",
        StepState::Running,
        format!("dpkg --install of {}", debs.len()),
    );
    let mut argv = vec!["dpkg", "--install", "--force-confold"];
    argv.extend(debs.iter().map(String::as_str));
    system.run(&argv, DPKG_DEADLINE).await?;
    progress.report(
        "packages",
        StepState::Done,
        format!("{} packages installed", debs.len()),
    );
    Ok(())
}
