//! Who looks at a deployment while it runs.

use super::{
    field::{Field, field},
    keys::{Key, Kind, both},
};
use crate::entry::Value;
use serde::{Serialize, Serializer};

const ON_HOST: &str = "host";

pub(crate) const OPTIONS: [Key; 1] = [both(
    "software.observability",
    "benchmark",
    "observability",
    Kind::TruthOr(&[ON_HOST]),
    "host: `up` writes what a Prometheus of this host is to read; true: one on a node, with Grafana, which `up` refuses: not there yet (false)",
)
.at(field!(software.observability))
.quiet()];

/// Where a Prometheus is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Observability {
    /// There is none.
    #[default]
    Off,
    /// On a node.
    OnNode,
    /// On this host, of the user's own.
    OnHost,
}

impl Field for Observability {
    fn put(&mut self, value: &Value) {
        match value {
            Value::Bool(false) => *self = Self::Off,
            Value::Bool(true) => *self = Self::OnNode,
            Value::Text(text) if text == ON_HOST => *self = Self::OnHost,
            _ => {}
        }
    }

    fn get(&self) -> Option<Value> {
        Some(match self {
            Self::Off => Value::Bool(false),
            Self::OnNode => Value::Bool(true),
            Self::OnHost => Value::Text(ON_HOST.to_owned()),
        })
    }
}

/// As in configs.
impl Serialize for Observability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::OnNode => serializer.serialize_bool(true),
            Self::OnHost => serializer.serialize_str(ON_HOST),
        }
    }
}
