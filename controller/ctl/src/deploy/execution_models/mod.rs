//! How execution models are installed: one trait, a folder each, one list. What a config must have for them is in
//! `plan/execution_models/`.

mod openfaas;

use crate::session::Session;
use continuum_config::{Config, ExecutionModelKind};
use continuum_host::error::Error;
use continuum_model::Facts;

pub use openfaas::{FUNCTION_NAMESPACE, objects, upstream_objects};

/// Every installer; the only place that names them.
const INSTALLERS: &[&dyn Installer] = &[&openfaas::OpenFaas];

/// Installs one execution model.
#[async_trait::async_trait]
pub trait Installer: Sync + std::fmt::Debug {
    fn kind(&self) -> ExecutionModelKind;
    /// Why this machine cannot install it for such a config; empty = it can.
    fn refusals(&self, config: &Config) -> Vec<String>;
    /// Installs it and waits until it answers. Returns what it is made of.
    async fn install(&self, session: &Session) -> Result<Facts, Error>;
}

/// That of a config's model, unless it has machines only.
pub fn of(config: &Config) -> Option<&'static dyn Installer> {
    let kind = config.software.execution_model?;
    let installer = INSTALLERS.iter().copied().find(|m| m.kind() == kind);
    installer.filter(|_| !config.infrastructure.infra_only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_plan::execution_models::EXECUTION_MODELS;

    #[test]
    fn every_model_that_a_config_may_name_can_be_installed() {
        let installed: Vec<_> = INSTALLERS.iter().map(|i| i.kind()).collect();
        let declared: Vec<_> = EXECUTION_MODELS.iter().map(|m| m.kind()).collect();
        assert_eq!(installed, declared);
    }
}
