//! docker from Debian's packages: installed, configured and started.

use super::{InstallSpec, Installer, Progress, StepState, packages, unit};
use crate::{error::AgentError, system::System};
use std::time::Duration;

/// Packages come as artifacts. Control groups are made by docker itself, so that a container's can lie below its run's.
#[derive(Debug)]
pub(crate) struct Docker;

const PROGRAM: &str = "/usr/sbin/dockerd";
const CONFIG: &str = "/etc/docker/daemon.json";
const CONFIG_TEXT: &str = "{ \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"] }\n";
const UNIT: &str = "docker.service";
const ANSWER_DEADLINE: Duration = Duration::from_mins(3);

#[async_trait::async_trait]
impl Installer for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn options(&self) -> Vec<&'static str> {
        vec![]
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(PROGRAM).await && system.exists("/run/docker.sock").await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let changed = system.write(CONFIG, CONFIG_TEXT, 0o644).await?;
        progress.report("configuration", changed.into(), CONFIG);
        if system.exists(PROGRAM).await {
            progress.report("packages", StepState::Unchanged, "docker is there");
        } else {
            packages::install(&packages::of("docker", spec)?, system, progress).await?;
        }
        unit::run(UNIT, changed, system, progress).await?;
        // The unit is of type notify; an answer proves it.
        let format = "--format={{.Server.Version}}";
        let version = system
            .run(&["docker", "version", format], ANSWER_DEADLINE)
            .await?;
        progress.report("service", StepState::Done, version.trim());
        Ok(())
    }
}
