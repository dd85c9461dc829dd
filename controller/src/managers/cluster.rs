//! What a manager that makes a cluster brings to nodes beyond services.

use crate::{
    config::Config,
    error::Error,
    plan::{NodePlan, Plan},
};
use continuum_images::components::{Catalogue, Stack};
use std::collections::BTreeMap;

/// A cluster's part on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPart {
    /// As the agent knows it.
    pub component: &'static str,
    /// Settings, all but secrets.
    pub options: BTreeMap<&'static str, String>,
    /// Files that it needs: component of the catalogue and file in it.
    pub files: Vec<(&'static str, String)>,
}

/// A manager that makes a cluster. Pure: what is secret is added where it is sent.
pub trait Cluster: Sync + std::fmt::Debug {
    /// The versions that belong together.
    fn stack<'a>(&self, catalogue: &'a Catalogue, config: &Config) -> Result<&'a Stack, Error>;
    /// Components of the catalogue that must be in the store.
    fn components(&self) -> &'static [&'static str];
    /// The part of a node; `None` = it is not of the cluster.
    fn part(&self, node: &NodePlan, plan: &Plan, stack: &Stack) -> Option<ClusterPart>;
}

/// A node's name in the cluster: names there have no underscores.
pub fn node_name(node: &str) -> String {
    node.replace('_', "-")
}
