//! One node, as planned.

use super::Tier;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Where every broker listens.
pub const BROKER_PORT: u16 = 1883;
/// Where every agent listens.
pub const AGENT_PORT: u16 = 7443;
/// Where agents of machines keep their files.
pub const GUEST_DATA_DIR: &str = "/var/lib/continuum-agent";

/// What a node is for its manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the control plane.
    Controller,
    /// Runs applications.
    Worker,
    /// Makes the load.
    Endpoint,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    /// As `edge0`, `cloud_controller`.
    pub name: String,
    pub tier: Tier,
    pub role: Role,
    /// Number in the deployment, from 0, in the order of addresses.
    pub slot: u32,
    /// Where it is reached.
    pub address: Ipv4Addr,
    /// Of its network card.
    pub mac: String,
    pub cores: u32,
    pub memory_mib: u64,
    /// Share of each core.
    pub quota: f64,
    /// 0 = no limit.
    pub disk_read_mb_s: u64,
    /// 0 = no limit.
    pub disk_write_mb_s: u64,
    /// Physical core of each virtual one; empty = anywhere.
    pub pinned: Vec<u32>,
    /// Network of its pods, if it is a node of a cluster.
    #[serde(default)]
    pub pod_prefix: Option<ipnet::Ipv4Net>,
}

impl NodePlan {
    /// Whether a place of a link, a node or a tier by its name, is here.
    pub fn is_at(&self, place: &str) -> bool {
        place == self.name || place == self.tier.name()
    }
}

/// A node's name in the cluster: names there have no underscores.
pub fn node_name(node: &str) -> String {
    node.replace('_', "-")
}
