//! docker from Debian's packages: installed, configured and started.

use super::{InstallSpec, Installer, Progress, StepState, packages, unit};
use crate::{error::AgentError, system::System};
use std::time::Duration;

/// Packages come as artifacts. Control groups are made by docker itself, so that a container's can lie below its run's.
#[derive(Debug)]
pub struct Docker;

const PROGRAM: &str = "/usr/sbin/dockerd";
const CONFIG: &str = "/etc/docker/daemon.json";
const CONFIG_TEXT: &str = "{ \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"] }\n";
const UNIT: &str = "docker.service";
const SYSTEMCTL_DEADLINE: Duration = Duration::from_mins(3);

#[async_trait::async_trait]
impl Installer for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn summary(&self) -> &'static str {
        "docker from Debian packages"
    }

    fn needs_own_machine(&self, _spec: &InstallSpec) -> bool {
        true
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
        let state = if changed {
            StepState::Done
        } else {
            StepState::Unchanged
        };
        progress.report("configuration", state, CONFIG);
        if system.exists(PROGRAM).await {
            progress.report("packages", StepState::Unchanged, "docker is there");
        } else {
            packages::install(&packages::of("docker", spec)?, system, progress).await?;
        }
        progress.report("service", StepState::Running, "systemctl enable and start");
        system
            .run(&["systemctl", "enable", UNIT], SYSTEMCTL_DEADLINE)
            .await?;
        let verb = if changed { "restart" } else { "start" };
        let begun = ["systemctl", verb, UNIT];
        if let Err(error) = system.run(&begun, SYSTEMCTL_DEADLINE).await {
            return Err(unit::explain(UNIT, error, system).await);
        }
        // The unit is of type notify; an answer proves it.
        let format = "--format={{.Server.Version}}";
        let version = system
            .run(&["docker", "version", format], SYSTEMCTL_DEADLINE)
            .await?;
        progress.report("service", StepState::Done, version.trim());
        Ok(())
    }

    async fn remove(&self, system: &dyn System, progress: &Progress) -> Result<(), AgentError> {
        if !system.exists(CONFIG).await {
            progress.report("service", StepState::Unchanged, "was not installed");
            return Ok(());
        }
        let units = ["docker.socket", UNIT];
        system
            .run(
                &[&["systemctl", "disable", "--now"][..], &units].concat(),
                SYSTEMCTL_DEADLINE,
            )
            .await?;
        system.remove(CONFIG).await?;
        progress.report("service", StepState::Done, "stopped and disabled");
        Ok(())
    }
}
