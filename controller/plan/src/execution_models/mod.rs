//! Execution models: what comes on top of a resource manager. One trait, one file each, one list. How they are installed
//! is in `deploy/execution_models/`.

mod openfaas;

use continuum_config::Config;

pub use openfaas::{IMAGES as OPENFAAS_IMAGES, PARTS as OPENFAAS_PARTS};

/// Every model; the only place that names them.
pub const EXECUTION_MODELS: &[&dyn ExecutionModel] = &[&openfaas::OpenFaas];

/// One execution model.
pub trait ExecutionModel: Sync + std::fmt::Debug {
    /// As in configs.
    fn name(&self) -> &'static str;
    /// Rules on a config: option and what is wrong with it.
    fn check(&self, config: &Config) -> Vec<(&'static str, String)>;
    /// Components of the catalogue that must be in the store.
    fn components(&self, config: &Config) -> &'static [&'static str];
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
            assert_eq!(find(model.name()).unwrap().name(), model.name());
        }
        assert!(find("knative").is_none());
    }
}
