//! Links between nodes.

use super::{LinkSettings, SETTINGS, Setting, Trace};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;

/// How delays spread around their mean; the standard deviation is the jitter in all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Evenly.
    None,
    /// As by many small causes.
    #[default]
    Normal,
    /// Few that are much longer than the others.
    Pareto,
}

impl Distribution {
    /// In the order of [`Self::NAMES`].
    pub const ALL: [Self; 3] = [Self::None, Self::Normal, Self::Pareto];
    /// As in configs.
    pub const NAMES: [&'static str; 3] = ["none", "normal", "pareto"];
}

/// Properties of a link, one way. What each is, and its name elsewhere: [`SETTINGS`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct Link {
    /// Mean.
    pub latency_ms: f64,
    /// Standard deviation.
    pub jitter_ms: f64,
    /// Around the mean.
    pub jitter_distribution: Distribution,
    /// Packets overtake each other.
    pub jitter_reorders: bool,
    /// Share of packets lost.
    pub loss_percent: f64,
    /// Of a loss with the packet before.
    pub loss_correlation_percent: f64,
    /// Share of packets with a wrong bit.
    pub corruption_percent: f64,
    /// Share of packets sent twice.
    pub duplication_percent: f64,
    /// Share of packets sent ahead of others.
    pub reordering_percent: f64,
    /// Shared by all peers of a class.
    pub rate_mbit: f64,
    /// Length of the queue at that rate.
    pub queue_ms: f64,
}

impl Link {
    /// As fast as usual, and it adds nothing.
    pub const PLAIN: Self = Self {
        latency_ms: 0.0,
        jitter_ms: 0.0,
        jitter_distribution: Distribution::Normal,
        jitter_reorders: false,
        loss_percent: 0.0,
        loss_correlation_percent: 0.0,
        corruption_percent: 0.0,
        duplication_percent: 0.0,
        reordering_percent: 0.0,
        rate_mbit: 1000.0,
        queue_ms: 1000.0,
    };

    /// Whether nothing gets through.
    pub fn is_cut(&self) -> bool {
        self.loss_percent >= 100.0
    }

    /// What is not as usual and has no column in tables, as `name=value`.
    pub fn extras(&self) -> Vec<String> {
        let in_columns = ["latency_ms", "jitter_ms", "loss_percent", "rate_mbit"];
        let is_extra = |setting: &&Setting| {
            !in_columns.contains(&setting.name)
                && (setting.get)(self)
                    .total_cmp(&(setting.get)(&Self::PLAIN))
                    .is_ne()
        };
        let extras = SETTINGS.iter().filter(is_extra);
        extras
            .map(|setting| format!("{}={}", setting.name, setting.text((setting.get)(self))))
            .collect()
    }

    /// Why there cannot be such a link.
    pub fn impossible(&self) -> Option<String> {
        (self.reordering_percent > 0.0 && self.latency_ms <= 0.0).then(|| {
            "nothing waits without latency_ms, so nothing can be sent ahead of it".to_owned()
        })
    }

    /// Why the mean delay is not the latency: netem cuts a delay below 0 off, and where the jitter is more than half of the
    /// latency, that is more than a percent of them.
    pub fn moved_mean(&self) -> Option<String> {
        let Self {
            latency_ms,
            jitter_ms,
            ..
        } = self;
        (*jitter_ms > latency_ms / 2.0).then(|| {
            format!(
                "jitter_ms is {jitter_ms}, latency_ms is {latency_ms}: as no delay is below 0, the mean delay is larger than \
                 latency_ms"
            )
        })
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = SETTINGS
            .iter()
            .map(|setting| (setting.name, setting.json((setting.get)(self))));
        serializer.collect_map(all)
    }
}

/// As results have it; what one of before does not have is as usual.
impl From<Map<String, Value>> for Link {
    fn from(table: Map<String, Value>) -> Self {
        let mut settings = LinkSettings::default();
        for (name, value) in &table {
            // Fields of others, beside a link's own.
            settings.add_json(name, value).ok();
        }
        settings.over(Self::PLAIN)
    }
}

/// Peers of one tier whose links are alike, and that link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkClass {
    /// Tier of the peers, or the one node whose link is another.
    pub name: String,
    /// For all peers together.
    #[serde(flatten)]
    pub link: Link,
    /// What changes by itself; then the rate is its mean.
    #[serde(
        serialize_with = "of_trace",
        skip_serializing_if = "Option::is_none",
        skip_deserializing
    )]
    pub trace: Option<Arc<Trace>>,
    /// What a packet's way takes by itself; known of nodes that run, and no part of a plan.
    #[serde(skip)]
    pub overhead_ms: f64,
    pub peers: Vec<Peer>,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn of_trace<S: Serializer>(trace: &Option<Arc<Trace>>, serializer: S) -> Result<S::Ok, S::Error> {
    trace.as_deref().serialize(serializer)
}

/// A node with its prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub node: String,
    /// Addresses, as prefixes.
    pub prefixes: Vec<ipnet::Ipv4Net>,
    /// Of its network card.
    #[serde(default)]
    pub mac: String,
    /// The link from it is cut: what it sends to many at once is not taken.
    #[serde(default)]
    pub is_cut_off: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_usual_is_shown_beside_the_columns() {
        let link = Link {
            latency_ms: 5.0,
            jitter_distribution: Distribution::Pareto,
            jitter_reorders: true,
            corruption_percent: 0.5,
            ..Link::PLAIN
        };
        assert_eq!(
            link.extras(),
            [
                "jitter_distribution=pareto",
                "jitter_reorders=true",
                "corruption_percent=0.5"
            ]
        );
        assert!(Link::PLAIN.extras().is_empty());
    }

    #[test]
    fn a_jitter_that_moves_the_mean_is_told() {
        let link = |latency_ms, jitter_ms| Link {
            latency_ms,
            jitter_ms,
            ..Link::PLAIN
        };
        assert_eq!(link(7.5, 2.5).moved_mean(), None);
        assert_eq!(link(0.0, 0.0).moved_mean(), None);
        assert!(link(1.0, 20.0).moved_mean().is_some());
    }
}
