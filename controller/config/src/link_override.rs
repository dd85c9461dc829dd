//! What is different between some nodes. In a config each is a table or one line.

use super::printable::printable;
use continuum_model::{LinkSettings, NodePlan, Setting};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::str::FromStr;

/// Which links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All links of a node, both ways.
    Node(String),
    /// Both ways between two places.
    Between(String, String),
    /// From one place to another.
    OneWay(String, String),
}

/// Settings of some links.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "OverrideTable")]
pub struct LinkOverride {
    /// Which, by tiers or nodes.
    pub which: Which,
    /// What is different.
    pub settings: LinkSettings,
}

impl LinkOverride {
    /// Whether the link from one node to another is one of them.
    pub fn is_about(&self, from: &NodePlan, to: &NodePlan) -> bool {
        match &self.which {
            Which::Node(node) => *node == from.name || *node == to.name,
            Which::OneWay(a, b) => from.is_at(a) && to.is_at(b),
            Which::Between(a, b) => from.is_at(a) && to.is_at(b) || to.is_at(a) && from.is_at(b),
        }
    }

    fn new(which: Which, settings: LinkSettings) -> Result<Self, String> {
        if settings.is_empty() {
            return Err("it has no setting of a link, such as latency_ms".into());
        }
        Ok(Self { which, settings })
    }
}

impl std::fmt::Display for LinkOverride {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.which {
            Which::Node(node) => write!(f, "node {node}"),
            Which::Between(a, b) => write!(f, "between {a} {b}"),
            Which::OneWay(a, b) => write!(f, "from {a} to {b}"),
        }?;
        write!(f, " {}", self.settings)
    }
}

impl Serialize for LinkOverride {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for LinkOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (which, rest) = match words.as_slice() {
            ["node", node, rest @ ..] => (Which::Node((*node).into()), rest),
            ["between", a, b, rest @ ..] => (Which::Between((*a).into(), (*b).into()), rest),
            ["from", a, "to", b, rest @ ..] => (Which::OneWay((*a).into(), (*b).into()), rest),
            _ => {
                return Err(format!(
                    "`{}` is none of: node NODE name=value …, between A B name=value …, from A to B name=value …",
                    printable(text)
                ));
            }
        };
        let mut settings = LinkSettings::default();
        for word in rest {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{}` is not name=value", printable(word)))?;
            settings.add(name, value)?;
        }
        Self::new(which, settings)
    }
}

/// The same as a table.
#[derive(Debug, Deserialize)]
struct OverrideTable {
    node: Option<String>,
    between: Option<[String; 2]>,
    from: Option<String>,
    to: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl TryFrom<OverrideTable> for LinkOverride {
    type Error = String;

    fn try_from(table: OverrideTable) -> Result<Self, String> {
        if let Some(unknown) = table.others.keys().find(|name| Setting::of(name).is_none()) {
            return Err(format!(
                "unknown field `{}`, expected node, between, from, to or a setting of a link",
                printable(unknown)
            ));
        }
        let which = match (table.node, table.between, table.from, table.to) {
            (Some(node), None, None, None) => Which::Node(node),
            (None, Some([a, b]), None, None) => Which::Between(a, b),
            (None, None, Some(from), Some(to)) => Which::OneWay(from, to),
            _ => return Err("is not exactly one of node, between, and from with to".into()),
        };
        Self::new(which, LinkSettings::try_from(table.others)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_means_the_same_as_its_line() {
        for (table, line) in [
            (
                json!({ "node": "endpoint1", "rate_mbit": 1 }),
                "node endpoint1 rate_mbit=1",
            ),
            (
                json!({ "between": ["edge0", "endpoint"], "latency_ms": 40, "jitter_distribution": "pareto" }),
                "between edge0 endpoint latency_ms=40 jitter_distribution=pareto",
            ),
            (
                json!({ "from": "edge", "to": "cloud0", "loss_percent": 0.5 }),
                "from edge to cloud0 loss_percent=0.5",
            ),
        ] {
            let row: LinkOverride = serde_json::from_value(table).unwrap();
            assert_eq!(row.to_string(), line);
            assert_eq!(line.parse::<LinkOverride>().unwrap(), row);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (table, want) in [
            (json!({ "node": "edge0" }), "no setting of a link"),
            (json!({ "rate_mbit": 1 }), "exactly one of node, between"),
            (
                json!({ "from": "edge0", "rate_mbit": 1 }),
                "exactly one of node, between",
            ),
            (
                json!({ "node": "edge0", "speed": 1 }),
                "unknown field `speed`",
            ),
            (
                json!({ "node": "edge0", "loss_percent": -1 }),
                "loss_percent is `-1`, allowed",
            ),
        ] {
            let text = table.to_string();
            let error = serde_json::from_value::<LinkOverride>(table).unwrap_err();
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
        for (text, want) in [
            ("edge0 latency_ms=1", "is none of: node NODE"),
            ("node edge0 latency", "`latency` is not name=value"),
            ("node edge0 latency_ms=nan", "allowed are 0 to 60000"),
        ] {
            let error = text.parse::<LinkOverride>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
