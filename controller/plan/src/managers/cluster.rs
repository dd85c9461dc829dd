//! What a manager that makes a cluster brings to nodes beyond services.

use continuum_config::Config;
use continuum_images::components::{Catalogue, Stack};
use continuum_model::{NodePlan, Plan};
use std::collections::BTreeMap;

/// A cluster's part on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPart {
    /// As the agent knows it.
    pub component: &'static str,
    /// Settings, all but secrets.
    pub options: BTreeMap<&'static str, String>,
    /// Secrets that it needs, by name; added where it is sent.
    pub secrets: &'static [Secret],
    /// Files that it needs: component of the catalogue and file in it.
    pub files: Vec<(&'static str, String)>,
}

/// What a part is told beyond its plain settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// What nodes show when they join, and the hash of the CA that they expect.
    Join,
    /// The cluster's certificate authority with its key.
    Authority,
    /// The certificate of that authority alone.
    AuthorityCertificate,
    /// The edges' certificate authority with its key, and cloudcore's certificates.
    EdgeAuthority,
    /// What edges show when they ask for their certificate.
    EdgeToken,
}

/// Why there are no versions that belong together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnknownVersion(pub String);

/// A manager that makes a cluster. Pure: what is secret is added where it is sent.
pub trait Cluster: Sync + std::fmt::Debug {
    /// The versions that belong together.
    fn stack<'a>(
        &self,
        catalogue: &'a Catalogue,
        config: &Config,
    ) -> Result<&'a Stack, UnknownVersion>;
    /// Components of the catalogue that must be in the store.
    fn components(&self) -> &'static [&'static str];
    /// What holds the namespaces of a pod, as the catalogue makes it.
    fn sandbox_image(&self) -> &'static str {
        "continuum.local/pause:1.0.0"
    }
    /// The parts of a node, in the order of installation; none = it is not of the cluster.
    fn parts(&self, node: &NodePlan, plan: &Plan, stack: &Stack) -> Vec<ClusterPart>;
}
