//! `pod-routes`: the way to pods, for nodes that have none themselves, such as endpoints.

use super::{kubeadm_config, option, parse_routes};
use crate::{
    error::AgentError,
    install::{InstallSpec, Installer, Progress, unit},
    system::System,
};

const UNIT: &str = "continuum-routes.service";
const UNIT_FILE: &str = "/etc/systemd/system/continuum-routes.service";

/// Sets routes now and at every boot. Returns whether they were others before.
pub(super) async fn set(routes: &[(&str, &str)], system: &dyn System) -> Result<bool, AgentError> {
    let changed = system
        .write(UNIT_FILE, &kubeadm_config::routes_unit(routes), 0o644)
        .await?;
    if changed {
        unit::enable(UNIT, system).await?;
    }
    unit::restart(UNIT, system).await?;
    Ok(changed)
}

#[derive(Debug)]
pub(crate) struct PodRoutes;

#[async_trait::async_trait]
impl Installer for PodRoutes {
    fn name(&self) -> &'static str {
        "pod-routes"
    }

    fn options(&self) -> Vec<&'static str> {
        vec!["routes"]
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
        let text = format!("{} networks of pods", routes.len());
        progress.report("routes", changed.into(), text);
        Ok(())
    }
}
