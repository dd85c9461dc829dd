//! Links between nodes.

use serde::{Deserialize, Serialize};

/// Properties of a link, one way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Link {
    /// Mean.
    pub latency_ms: f64,
    /// Standard deviation.
    pub jitter_ms: f64,
    /// Share of packets lost.
    pub loss_percent: f64,
    /// Shared by all peers of a tier.
    pub rate_mbit: f64,
}

/// Peers of one tier and the link to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkClass {
    /// Tier of the peers.
    pub name: String,
    /// One way.
    pub latency_ms: f64,
    /// Standard deviation.
    pub jitter_ms: f64,
    /// Share of packets lost.
    pub loss_percent: f64,
    /// For all peers together.
    pub rate_mbit: f64,
    /// What a packet's way takes by itself; known of nodes that run, and no part of a plan.
    #[serde(skip)]
    pub overhead_ms: f64,
    /// The peers.
    pub peers: Vec<Peer>,
}

/// A node with its prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Name.
    pub node: String,
    /// Addresses, as prefixes.
    pub prefixes: Vec<ipnet::Ipv4Net>,
}
