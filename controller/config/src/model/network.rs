//! Links: of each two tiers, of one direction between them, of nodes.

use crate::{choices::Preset, link_override::LinkOverride};
use continuum_model::{Link, LinkSettings, NodePlan, Tier, TierPair, Trace, TraceStep};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkTable {
    /// Of both directions.
    Pair(TierPair),
    Direction(Direction),
}

impl LinkTable {
    /// All of them, those of pairs first.
    pub fn all() -> impl Iterator<Item = Self> {
        let pairs = TierPair::ALL.into_iter().map(Self::Pair);
        pairs.chain(Direction::ALL.into_iter().map(Self::Direction))
    }

    /// As in configs.
    pub fn name(self) -> String {
        match self {
            Self::Pair(pair) => pair.name(),
            Self::Direction(direction) => direction.name(),
        }
    }
}

impl Serialize for LinkTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// A recorded link, and how it is used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceSource {
    pub table: LinkTable,
    /// Absolute.
    pub path: String,
    /// Of the file.
    pub sha256: String,
    /// Whether it begins again.
    pub is_loop: bool,
    /// Where in it links begin.
    pub offset_s: f64,
    /// Draws where the links of each sender begin.
    pub seed: Option<i64>,
    /// When it begins again.
    pub length_ms: u32,
    /// Mean.
    pub rate_mbit: Option<f64>,
    /// What it says.
    #[serde(skip)]
    pub steps: Arc<Vec<TraceStep>>,
}

impl TraceSource {
    /// As links from a node follow it.
    fn of(&self, from: &str) -> Trace {
        let length_ms = u64::from(self.length_ms.max(1));
        let mut begin_ms = (self.offset_s * 1000.0).round() as u64;
        if let Some(seed) = self.seed {
            begin_ms += drawn(seed, from) % length_ms;
        }
        let name = std::path::Path::new(&self.path).file_name();
        Trace {
            name: name
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default(),
            steps: Arc::clone(&self.steps),
            loop_after_ms: self.is_loop.then_some(self.length_ms),
            begin_ms: (begin_ms % length_ms) as u32,
        }
    }
}

/// The same for the same seed and name, wherever it is drawn.
fn drawn(seed: i64, name: &str) -> u64 {
    let digest = Sha256::digest(format!("{seed} {name}"));
    let bytes = digest.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(bytes)
}

/// From one tier to another: what a table such as `network.edge_to_endpoint` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Direction {
    pub from: Tier,
    pub to: Tier,
}

impl Direction {
    /// Between each two tiers.
    pub const ALL: [Self; 6] = [
        Self::between(Tier::Cloud, Tier::Edge),
        Self::between(Tier::Edge, Tier::Cloud),
        Self::between(Tier::Cloud, Tier::Endpoint),
        Self::between(Tier::Endpoint, Tier::Cloud),
        Self::between(Tier::Edge, Tier::Endpoint),
        Self::between(Tier::Endpoint, Tier::Edge),
    ];

    const fn between(from: Tier, to: Tier) -> Self {
        Self { from, to }
    }

    /// As in configs: `edge_to_endpoint`.
    pub fn name(self) -> String {
        format!("{}_to_{}", self.from, self.to)
    }
}

/// A link from one end to the other.
#[derive(Debug, Clone, PartialEq)]
pub struct OneWay {
    pub link: Link,
    /// What changes by itself; then the rate is its mean.
    pub trace: Option<Arc<Trace>>,
}

impl OneWay {
    /// With other settings: what a trace has of them no longer counts.
    #[must_use]
    pub fn with(self, settings: &LinkSettings) -> Self {
        let trace = self.trace.and_then(|trace| trace.without(settings));
        Self {
            link: settings.over(self.link),
            trace,
        }
    }
}

/// Links between tiers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Network {
    /// Where the numbers of links come from.
    pub preset: Preset,
    /// One per pair, in the order of [`TierPair::ALL`]; empty = no emulation.
    pub links: Vec<(TierPair, Link)>,
    /// What is different in one direction.
    pub directions: Vec<(Direction, LinkSettings)>,
    /// Recorded links, those of a direction over those of both.
    pub traces: Vec<TraceSource>,
    /// What is different between some nodes, later ones over earlier ones.
    pub overrides: Vec<LinkOverride>,
    /// Largest IP packet; `None` = the machines' own.
    pub mtu_bytes: Option<u32>,
}

impl Network {
    /// Whether links are emulated.
    pub fn is_emulated(&self) -> bool {
        !self.links.is_empty()
    }

    pub fn link(&self, from: Tier, to: Tier) -> Option<Link> {
        let settings = self.direction(Direction { from, to });
        let mut link = *self.pair(from, to)?;
        if let Some(settings) = settings {
            link = settings.over(link);
        }
        let mean = self.trace(from, to).and_then(|trace| trace.rate_mbit);
        link.rate_mbit = mean.unwrap_or(link.rate_mbit);
        Some(link)
    }

    fn trace(&self, from: Tier, to: Tier) -> Option<&TraceSource> {
        let is_about = |trace: &&TraceSource| match trace.table {
            LinkTable::Pair(TierPair(a, b)) => (a, b) == (from, to) || (b, a) == (from, to),
            LinkTable::Direction(own) => own == Direction { from, to },
        };
        self.traces.iter().rfind(is_about)
    }

    /// Whether a link between two tiers follows recordings there and back.
    pub fn is_traced_both_ways(&self) -> bool {
        let has = |from, to| self.trace(from, to).is_some();
        Direction::ALL
            .into_iter()
            .any(|d| has(d.from, d.to) && has(d.to, d.from))
    }

    /// Of both directions between two tiers.
    pub fn pair(&self, a: Tier, b: Tier) -> Option<&Link> {
        let is_it = |pair: &TierPair| *pair == TierPair(a, b) || *pair == TierPair(b, a);
        let found = self.links.iter().find(|(pair, _)| is_it(pair));
        found.map(|(_, link)| link)
    }

    /// What is different in one direction.
    pub fn direction(&self, direction: Direction) -> Option<&LinkSettings> {
        let mut all = self.directions.iter();
        all.find(|(own, _)| *own == direction)
            .map(|(_, settings)| settings)
    }

    pub fn between(&self, from: &NodePlan, to: &NodePlan) -> Option<OneWay> {
        let trace = self.trace(from.tier, to.tier);
        let tiers = OneWay {
            link: self.link(from.tier, to.tier)?,
            trace: trace.map(|trace| Arc::new(trace.of(&from.name))),
        };
        let own = self.overrides.iter().filter(|row| row.is_about(from, to));
        Some(own.fold(tiers, |link, row| link.with(&row.settings)))
    }
}
