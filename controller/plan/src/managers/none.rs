//! No manager: endpoints on their own.

use super::{Needs, ResourceManager, count};
use continuum_config::{Config, ManagerKind};
use continuum_model::{NodePlan, Tier};

/// `none`.
#[derive(Debug)]
pub(super) struct Unmanaged;

impl ResourceManager for Unmanaged {
    fn kind(&self) -> ManagerKind {
        ManagerKind::None
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for (tier, path) in [
            (Tier::Cloud, "infrastructure.cloud.nodes"),
            (Tier::Edge, "infrastructure.edge.nodes"),
        ] {
            if count(config, tier) > 0 {
                faults.push((
                    path,
                    format!("resource manager none has no {tier} nodes; for edge workers use mist"),
                ));
            }
        }
        if count(config, Tier::Endpoint) == 0 {
            faults.push((
                "infrastructure.endpoint.nodes",
                "resource manager none needs endpoints".into(),
            ));
        }
        faults
    }
    fn needs(&self, _node: &NodePlan) -> Needs {
        Needs::default()
    }
    fn missing(&self, _config: &Config) -> Option<&'static str> {
        None
    }
}
