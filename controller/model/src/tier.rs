//! Where a node stands in the continuum.

use serde::Serialize;

/// Where a node stands in the continuum. The order is upstream's: addresses are given in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Data centre.
    Cloud,
    /// Near the users.
    Edge,
    /// The users' devices.
    Endpoint,
}

impl Tier {
    /// In upstream's order.
    pub const ALL: [Self; 3] = [Self::Cloud, Self::Edge, Self::Endpoint];

    /// As in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Edge => "edge",
            Self::Endpoint => "endpoint",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct PerTier<T> {
    pub cloud: T,
    pub edge: T,
    pub endpoint: T,
}

impl<T> PerTier<T> {
    pub fn get(&self, tier: Tier) -> &T {
        match tier {
            Tier::Cloud => &self.cloud,
            Tier::Edge => &self.edge,
            Tier::Endpoint => &self.endpoint,
        }
    }
}

/// Two tiers with a link between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct TierPair(pub Tier, pub Tier);

impl TierPair {
    /// All that upstream knows, in its order.
    pub const ALL: [Self; 5] = [
        Self(Tier::Cloud, Tier::Cloud),
        Self(Tier::Edge, Tier::Edge),
        Self(Tier::Cloud, Tier::Edge),
        Self(Tier::Cloud, Tier::Endpoint),
        Self(Tier::Edge, Tier::Endpoint),
    ];

    /// As in configs: `cloud_edge`.
    pub fn name(self) -> String {
        format!("{}_{}", self.0, self.1)
    }
}

/// What a tier does in a run; upstream's word for where the workers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Workers in the cloud.
    Cloud,
    /// Workers on the edge.
    Edge,
    /// Endpoints alone.
    Endpoint,
}
