//! How execution models are installed: one trait, a folder each, one list. What a config must have for them is in
//! `plan/execution_models/`.

mod openfaas;

use continuum_agents::GrpcAgent;
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, state::Deployment};
use continuum_model::Plan;

pub use openfaas::{FUNCTION_NAMESPACE, objects, upstream_objects};

/// Every installer; the only place that names them.
const INSTALLERS: &[&dyn Installer] = &[&openfaas::OpenFaas];

/// What a model is installed on.
#[derive(Debug)]
pub struct Session<'a> {
    /// Store, progress, cancellation.
    pub context: &'a Context,
    /// As in the config of `up`.
    pub config: &'a Config,
    /// Nodes.
    pub plan: &'a Plan,
    /// State and secrets.
    pub deployment: &'a Deployment,
    /// In the order of nodes.
    pub agents: &'a [GrpcAgent],
}

/// Installs one execution model.
#[async_trait::async_trait]
pub trait Installer: Sync + std::fmt::Debug {
    /// As in configs.
    fn name(&self) -> &'static str;
    /// Why this machine cannot install it for such a config; empty = it can.
    fn refusals(&self, config: &Config) -> Vec<String>;
    /// Installs it and waits until it answers. Returns facts for results.
    async fn install(&self, session: &Session<'_>) -> Result<Vec<(String, String)>, Error>;
}

/// That of a config's model, unless it has machines only.
pub fn of(config: &Config) -> Option<&'static dyn Installer> {
    let name = config.software.execution_model.as_deref()?;
    let installer = INSTALLERS.iter().copied().find(|m| m.name() == name);
    installer.filter(|_| !config.infrastructure.infra_only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_plan::execution_models::EXECUTION_MODELS;

    #[test]
    fn every_model_that_a_config_may_name_can_be_installed() {
        let installed: Vec<_> = INSTALLERS.iter().map(|i| i.name()).collect();
        let declared: Vec<_> = EXECUTION_MODELS.iter().map(|m| m.name()).collect();
        assert_eq!(installed, declared);
    }
}
