//! Mist: edge workers without an orchestrator, started by the agents.

use super::{Needs, ResourceManager, count, native_worker, spread_evenly};
use continuum_config::{Config, ManagerKind};
use continuum_model::{NodePlan, Tier};

/// `mist`.
#[derive(Debug)]
pub(super) struct Mist;

impl ResourceManager for Mist {
    fn kind(&self) -> ManagerKind {
        ManagerKind::Mist
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if count(config, Tier::Cloud) > 0 {
            faults.push((
                "infrastructure.cloud.nodes",
                "resource manager mist has no cloud nodes".into(),
            ));
        }
        let (edges, endpoints) = (count(config, Tier::Edge), count(config, Tier::Endpoint));
        if edges == 0 {
            faults.push((
                "infrastructure.edge.nodes",
                "resource manager mist needs edge nodes".into(),
            ));
        }
        if endpoints == 0 {
            faults.push((
                "infrastructure.endpoint.nodes",
                "resource manager mist needs endpoints".into(),
            ));
        }
        faults.extend(spread_evenly(endpoints, edges, "edge nodes"));
        faults
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        native_worker(node)
    }
    fn missing(&self, _config: &Config) -> Option<&'static str> {
        None
    }
}
