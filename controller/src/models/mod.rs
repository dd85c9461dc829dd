//! Execution models: what comes on top of a resource manager. One trait, one file or folder each, one list.

mod openfaas;

use crate::{
    agents::GrpcAgent, config::Config, error::Error, plan::Plan, provider::Context,
    state::Deployment,
};

pub use openfaas::{
    FUNCTION_NAMESPACE, GATEWAY_PORT, apply, gateway_address, objects, pod_troubles,
    upstream_objects,
};

/// Every model; the only place that names them.
pub const EXECUTION_MODELS: &[&dyn ExecutionModel] = &[&openfaas::OpenFaas];

/// What a model is installed on.
#[derive(Debug)]
pub struct Scene<'a> {
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

/// One execution model.
#[async_trait::async_trait]
pub trait ExecutionModel: Sync + std::fmt::Debug {
    /// As in configs.
    fn name(&self) -> &'static str;
    /// In one line.
    fn summary(&self) -> &'static str;
    /// Rules on a config: option and what is wrong with it.
    fn check(&self, config: &Config) -> Vec<(&'static str, String)>;
    /// Why this machine cannot install it for such a config; empty = it can.
    fn refusals(&self, config: &Config) -> Vec<String>;
    /// Components of the catalogue that must be in the store.
    fn components(&self, config: &Config) -> &'static [&'static str];
    /// Installs it and waits until it answers. Returns facts for results.
    async fn install(&self, scene: &Scene<'_>) -> Result<Vec<(String, String)>, Error>;
}

/// Finds one by name.
pub fn find(name: &str) -> Option<&'static dyn ExecutionModel> {
    EXECUTION_MODELS.iter().copied().find(|m| m.name() == name)
}

/// The one of a config, unless it has machines only.
pub fn of(config: &Config) -> Option<&'static dyn ExecutionModel> {
    let name = config.software.execution_model.as_deref()?;
    find(name).filter(|_| !config.infrastructure.infra_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for model in EXECUTION_MODELS {
            assert_eq!(find(model.name()).unwrap().summary(), model.summary());
        }
        assert!(find("knative").is_none());
    }
}
