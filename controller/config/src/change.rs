//! What may happen while an application runs: links change, programs start again. Written as one line each, in a config's
//! `timeline` and in results.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What becomes of a link.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing gets through.
    Cut,
    /// Other numbers; what is not given stays.
    Set {
        /// One way.
        latency_ms: Option<f64>,
        /// Standard deviation.
        jitter_ms: Option<f64>,
        /// Share of packets lost.
        loss_percent: Option<f64>,
        /// For all peers of a tier together, or for the one node.
        rate_mbit: Option<f64>,
    },
}

/// A change with the two places that it lies between, in either order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkChange {
    /// Tier or node.
    pub a: String,
    /// Tier or node.
    pub b: String,
    /// What becomes of it.
    pub change: Change,
}

impl LinkChange {
    /// Whether it is about the same two places.
    pub fn is_between(&self, a: &str, b: &str) -> bool {
        (self.a == a && self.b == b) || (self.a == b && self.b == a)
    }
}

impl std::fmt::Display for LinkChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { a, b, change } = self;
        match change {
            Change::Cut => write!(f, "cut {a} {b}"),
            Change::Set {
                latency_ms,
                jitter_ms,
                loss_percent,
                rate_mbit,
            } => {
                write!(f, "set {a} {b}")?;
                for (name, value) in [
                    ("latency_ms", latency_ms),
                    ("jitter_ms", jitter_ms),
                    ("loss_percent", loss_percent),
                    ("rate_mbit", rate_mbit),
                ] {
                    if let Some(value) = value {
                        write!(f, " {name}={value}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Units of nodes that may be started again.
pub const UNITS: [&str; 4] = ["cloudcore", "containerd", "edgecore", "kubelet"];

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A link becomes another.
    Change(LinkChange),
    /// A link becomes what the config says.
    Restore {
        /// Tier or node.
        a: String,
        /// Tier or node.
        b: String,
    },
    /// A unit of a node starts again.
    Restart {
        /// Node.
        node: String,
        /// One of [`UNITS`].
        unit: String,
    },
}

/// When it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineStep {
    /// Seconds after all endpoints were started.
    pub at_s: f64,
    /// What.
    pub action: Action,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Change(change) => change.fmt(f),
            Self::Restore { a, b } => write!(f, "restore {a} {b}"),
            Self::Restart { node, unit } => write!(f, "restart {node} {unit}"),
        }
    }
}

/// `name=number …`
fn numbers(words: &[&str]) -> Result<Change, String> {
    let (mut latency_ms, mut jitter_ms, mut loss_percent, mut rate_mbit) = (None, None, None, None);
    for word in words {
        let (name, text) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` is not name=number"))?;
        let value: f64 = text
            .parse()
            .map_err(|_| format!("`{text}` is not a number"))?;
        let (slot, most) = match name {
            "latency_ms" => (&mut latency_ms, 60_000.0),
            "jitter_ms" => (&mut jitter_ms, 60_000.0),
            "loss_percent" => (&mut loss_percent, 100.0),
            "rate_mbit" => (&mut rate_mbit, 1_000_000.0),
            _ => {
                return Err(format!(
                    "`{name}` is not latency_ms, jitter_ms, loss_percent or rate_mbit"
                ));
            }
        };
        if !(0.0..=most).contains(&value) || (name == "rate_mbit" && value < 0.001) {
            return Err(format!("{name} is {text}, allowed are 0 to {most}"));
        }
        *slot = Some(value);
    }
    if words.is_empty() {
        return Err(
            "`set` needs at least one of latency_ms, jitter_ms, loss_percent, rate_mbit".into(),
        );
    }
    Ok(Change::Set {
        latency_ms,
        jitter_ms,
        loss_percent,
        rate_mbit,
    })
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let link = |a: &str, b: &str, change| {
            Self::Change(LinkChange {
                a: a.to_owned(),
                b: b.to_owned(),
                change,
            })
        };
        match words.as_slice() {
            ["cut", a, b] => Ok(link(a, b, Change::Cut)),
            ["set", a, b, rest @ ..] => Ok(link(a, b, numbers(rest)?)),
            ["restore", a, b] => Ok(Self::Restore {
                a: (*a).to_owned(),
                b: (*b).to_owned(),
            }),
            ["restart", node, unit] if UNITS.contains(unit) => Ok(Self::Restart {
                node: (*node).to_owned(),
                unit: (*unit).to_owned(),
            }),
            ["restart", _, unit] => Err(format!("`{unit}` is not one of {}", UNITS.join(", "))),
            _ => Err(format!(
                "`{text}` is none of: cut A B, restore A B, set A B name=number …, restart NODE UNIT"
            )),
        }
    }
}

impl FromStr for TimelineStep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, action) = text
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("`{text}` is not: SECONDS ACTION"))?;
        let at_s: f64 = at
            .parse()
            .ok()
            .filter(|s: &f64| s.is_finite() && *s >= 0.0)
            .ok_or_else(|| format!("`{at}` is not a number of seconds"))?;
        Ok(Self {
            at_s,
            action: action.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "cut cloud edge",
            "restore cloud edge0",
            "set edge0 endpoint1 latency_ms=20 rate_mbit=7.5",
            "restart edge0 edgecore",
        ] {
            let action: Action = text.parse().unwrap();
            assert_eq!(action.to_string(), text);
        }
        let step: TimelineStep = "12.5 cut cloud edge".parse().unwrap();
        assert!((step.at_s - 12.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("cut cloud edge", "not a number of seconds"),
            ("-1 cut cloud edge", "not a number of seconds"),
            ("5", "SECONDS ACTION"),
            ("5 sever cloud edge", "none of: cut A B"),
            ("5 restart edge0 sshd", "`sshd` is not one of cloudcore"),
            ("5 set cloud edge", "at least one of"),
            ("5 set cloud edge speed=1", "`speed` is not latency_ms"),
            ("5 set cloud edge loss_percent=101", "allowed are 0 to 100"),
        ];
        for (text, want) in cases {
            let error = text.parse::<TimelineStep>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
