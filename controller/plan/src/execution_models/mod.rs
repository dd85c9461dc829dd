//! Execution models: what comes on top of a resource manager. One trait, one file each, one list. How they are installed
//! is in `deploy/execution_models/`.

mod openfaas;

use continuum_config::{Config, ExecutionModelKind};

pub use openfaas::{IMAGES as OPENFAAS_IMAGES, PARTS as OPENFAAS_PARTS};

/// Every model; the only place that names them.
pub const EXECUTION_MODELS: &[&dyn ExecutionModel] = &[&openfaas::OpenFaas];

pub trait ExecutionModel: Sync + std::fmt::Debug {
    fn kind(&self) -> ExecutionModelKind;
    /// As in configs.
    fn name(&self) -> &'static str {
        self.kind().name()
    }
    /// Rules on a config: option and what is wrong with it.
    fn check(&self, config: &Config) -> Vec<(&'static str, String)>;
    /// Components of the catalogue that must be in the store.
    fn components(&self, config: &Config) -> &'static [&'static str];
}

pub fn find(kind: ExecutionModelKind) -> Option<&'static dyn ExecutionModel> {
    EXECUTION_MODELS.iter().copied().find(|m| m.kind() == kind)
}

/// The one of a config, unless it has machines only.
pub fn of(config: &Config) -> Option<&'static dyn ExecutionModel> {
    find(config.software.execution_model?).filter(|_| !config.infrastructure.infra_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_that_a_config_may_name_is_here() {
        let kinds: Vec<_> = EXECUTION_MODELS.iter().map(|m| m.kind()).collect();
        assert_eq!(kinds, ExecutionModelKind::ALL);
    }
}
