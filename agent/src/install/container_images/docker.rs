//! docker, which has a store of its own and calls images by other digests: what was loaded is noted.

use super::{IMPORT_DEADLINE, ImageStore, SHORT, archives};
use crate::{
    error::AgentError,
    install::{InstallSpec, Progress, StepState},
    system::System,
};

/// Names of archives that docker has taken in.
const LOADED: &str = "/var/lib/continuum-agent/docker-images";

pub(super) struct Docker;

#[async_trait::async_trait]
impl ImageStore for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    async fn take(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        for (artifact, path) in archives(spec) {
            let note = format!("{LOADED}/{}", artifact.sha256);
            let reference = artifact.image.split('@').next().unwrap_or_default();
            let inspect = ["docker", "image", "inspect", "--format={{.Id}}", reference];
            if system.exists(&note).await && system.run(&inspect, SHORT).await.is_ok() {
                progress.report("images", StepState::Unchanged, &*artifact.name);
                continue;
            }
            progress.report(
                "images",
                StepState::Running,
                format!("loading {}", artifact.name),
            );
            let path = path.display().to_string();
            let load = ["docker", "image", "load", "--quiet", "--input", &path];
            system.run(&load, IMPORT_DEADLINE).await?;
            system.write(&note, &artifact.image, 0o644).await?;
            progress.report("images", StepState::Done, &*artifact.name);
        }
        Ok(())
    }
}
