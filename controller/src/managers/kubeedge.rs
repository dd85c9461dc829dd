//! `KubeEdge`: planned and checked; installing it comes with a later version.

use super::{Needs, ResourceManager, count};
use crate::{
    config::{Config, Tier},
    plan::NodePlan,
};

/// `kubeedge`.
#[derive(Debug)]
pub(super) struct KubeEdge;

impl ResourceManager for KubeEdge {
    fn name(&self) -> &'static str {
        "kubeedge"
    }
    fn summary(&self) -> &'static str {
        "a cloud node controls workers on the edge, also while the link between them is cut"
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let clouds = count(config, Tier::Cloud);
        if clouds != 1 {
            faults.push((
                "infrastructure.cloud.nodes",
                format!("resource manager kubeedge needs exactly 1 cloud node, not {clouds}"),
            ));
        }
        let edges = count(config, Tier::Edge);
        if edges == 0 {
            faults.push((
                "infrastructure.edge.nodes",
                "resource manager kubeedge needs edge nodes".into(),
            ));
        }
        faults.extend(crate::config::spread_evenly(
            count(config, Tier::Endpoint),
            edges,
            "edge nodes",
        ));
        faults
    }
    fn has_controller(&self) -> bool {
        true
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        super::cluster_node(node)
    }
    fn missing(&self, _config: &Config) -> Option<&'static str> {
        Some("this version cannot install KubeEdge yet")
    }
}
