//! `pod-routes`: the way to pods, for nodes that have none themselves, such as endpoints.

use super::{documents, option, parse_routes};
use crate::{
    error::AgentError,
    install::{InstallSpec, Installer, Progress, StepState, unit},
    system::System,
};

const UNIT: &str = "continuum-routes.service";
const UNIT_FILE: &str = "/etc/systemd/system/continuum-routes.service";

/// Sets routes now and at every boot. Returns whether they were others before.
pub(super) async fn set(routes: &[(&str, &str)], system: &dyn System) -> Result<bool, AgentError> {
    let changed = system
        .write(UNIT_FILE, &documents::routes_unit(routes), 0o644)
        .await?;
    if changed {
        unit::enable(UNIT, system).await?;
    }
    unit::restart(UNIT, system).await?;
    Ok(changed)
}

/// Forgets them; they themselves go with the next boot.
pub(super) async fn unset(system: &dyn System) -> Result<(), AgentError> {
    // A removal that broke off is made again, and has done this already.
    if system.exists(UNIT_FILE).await {
        unit::disable(UNIT, system).await?;
    }
    unit::forget(&[UNIT_FILE], system).await
}

/// Routes to pods.
#[derive(Debug)]
pub struct PodRoutes;

#[async_trait::async_trait]
impl Installer for PodRoutes {
    fn name(&self) -> &'static str {
        "pod-routes"
    }

    fn summary(&self) -> &'static str {
        "routes to the pods of a cluster, for nodes beside it"
    }

    fn needs_own_machine(&self, _spec: &InstallSpec) -> bool {
        true
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(UNIT_FILE).await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let routes = parse_routes(option(spec, "routes")?)?;
        let changed = set(&routes, system).await?;
        let state = if changed {
            StepState::Done
        } else {
            StepState::Unchanged
        };
        progress.report(
            "routes",
            state,
            format!("{} networks of pods", routes.len()),
        );
        Ok(())
    }

    async fn remove(&self, system: &dyn System, progress: &Progress) -> Result<(), AgentError> {
        if !system.exists(UNIT_FILE).await {
            progress.report("routes", StepState::Unchanged, "there were none");
            return Ok(());
        }
        unset(system).await?;
        progress.report("routes", StepState::Done, "removed");
        Ok(())
    }
}
