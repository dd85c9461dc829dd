//! Kubernetes: planned and checked; installing it comes with a later version.

use super::{Needs, ResourceManager, count};
use crate::{
    config::{Config, Tier},
    plan::NodePlan,
};

/// `kubernetes`.
#[derive(Debug)]
pub(super) struct Kubernetes;

impl ResourceManager for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }
    fn summary(&self) -> &'static str {
        "the first cloud node controls, the others work"
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let clouds = count(config, Tier::Cloud);
        if clouds == 0 {
            faults.push((
                "infrastructure.cloud.nodes",
                "resource manager kubernetes needs a cloud node".into(),
            ));
        }
        if count(config, Tier::Edge) > 0 {
            faults.push((
                "infrastructure.edge.nodes",
                "resource manager kubernetes has no edge nodes; use kubeedge".into(),
            ));
        }
        let endpoints = count(config, Tier::Endpoint);
        if clouds == 1 && endpoints > 0 {
            faults.push((
                "infrastructure.cloud.nodes",
                "with endpoints there must be a worker: 2 cloud nodes or more, as the first is the controller".into(),
            ));
        }
        faults.extend(crate::config::spread_evenly(
            endpoints,
            clouds.saturating_sub(1),
            "cloud workers",
        ));
        faults
    }
    fn has_controller(&self) -> bool {
        true
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        super::cluster_node(node)
    }
    fn missing(&self) -> Option<&'static str> {
        Some("this version cannot install Kubernetes yet")
    }
}
