//! What may happen while an application runs: links change, programs start again. In a config's `timeline` each is a table
//! or one line; in results it is one line.

use super::printable::printable;
use serde::{Deserialize, Serialize, Serializer};
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
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "StepTable")]
pub struct TimelineStep {
    /// Seconds after all endpoints were started.
    pub at_s: f64,
    /// What.
    pub action: Action,
}

impl std::fmt::Display for TimelineStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.at_s, self.action)
    }
}

impl Serialize for TimelineStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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

/// Numbers of a link, as far as they are given.
#[derive(Debug, Default)]
struct Numbers {
    latency_ms: Option<f64>,
    jitter_ms: Option<f64>,
    loss_percent: Option<f64>,
    rate_mbit: Option<f64>,
}

impl Numbers {
    /// From `name=number …`.
    fn of_words(words: &[&str]) -> Result<Self, String> {
        let mut numbers = Self::default();
        for word in words {
            let (name, text) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is not name=number"))?;
            let value = text
                .parse()
                .map_err(|_| format!("`{text}` is not a number"))?;
            let slot = match name {
                "latency_ms" => &mut numbers.latency_ms,
                "jitter_ms" => &mut numbers.jitter_ms,
                "loss_percent" => &mut numbers.loss_percent,
                "rate_mbit" => &mut numbers.rate_mbit,
                _ => {
                    return Err(format!(
                        "`{name}` is not latency_ms, jitter_ms, loss_percent or rate_mbit"
                    ));
                }
            };
            *slot = Some(value);
        }
        Ok(numbers)
    }

    /// At least one, each in its range.
    fn change(self) -> Result<Change, String> {
        let Self {
            latency_ms,
            jitter_ms,
            loss_percent,
            rate_mbit,
        } = self;
        let all = [
            ("latency_ms", latency_ms, 0.0, 60_000.0),
            ("jitter_ms", jitter_ms, 0.0, 60_000.0),
            ("loss_percent", loss_percent, 0.0, 100.0),
            ("rate_mbit", rate_mbit, 0.001, 1_000_000.0),
        ];
        let mut given = all
            .iter()
            .filter_map(|(name, v, low, high)| Some((name, (*v)?, *low, *high)));
        if all.iter().all(|(_, value, ..)| value.is_none()) {
            return Err(
                "`set` needs at least one of latency_ms, jitter_ms, loss_percent, rate_mbit".into(),
            );
        }
        if let Some((name, value, _, high)) =
            given.find(|(_, value, low, high)| !(*low..=*high).contains(value))
        {
            return Err(format!("{name} is {value}, allowed are 0 to {high}"));
        }
        Ok(Change::Set {
            latency_ms,
            jitter_ms,
            loss_percent,
            rate_mbit,
        })
    }
}

fn restart(node: &str, unit: &str) -> Result<Action, String> {
    if !UNITS.contains(&unit) {
        return Err(format!("`{unit}` is not one of {}", UNITS.join(", ")));
    }
    Ok(Action::Restart {
        node: node.to_owned(),
        unit: unit.to_owned(),
    })
}

fn link(a: &str, b: &str, change: Change) -> Action {
    Action::Change(LinkChange {
        a: a.to_owned(),
        b: b.to_owned(),
        change,
    })
}

/// No run is longer; larger numbers are none of a clock.
const LATEST_S: f64 = 864_000.0;

fn at(at_s: f64, text: &str) -> Result<f64, String> {
    if (0.0..=LATEST_S).contains(&at_s) {
        return Ok(at_s);
    }
    Err(format!(
        "`{}` is not a number of seconds, 0 to {LATEST_S}",
        printable(text)
    ))
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["cut", a, b] => Ok(link(a, b, Change::Cut)),
            ["set", a, b, rest @ ..] => Ok(link(a, b, Numbers::of_words(rest)?.change()?)),
            ["restore", a, b] => Ok(Self::Restore {
                a: (*a).to_owned(),
                b: (*b).to_owned(),
            }),
            ["restart", node, unit] => restart(node, unit),
            _ => Err(format!(
                "`{text}` is none of: cut A B, restore A B, set A B name=number …, restart NODE UNIT"
            )),
        }
    }
}

impl FromStr for TimelineStep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (seconds, action) = text
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("`{text}` is not: SECONDS ACTION"))?;
        Ok(Self {
            at_s: at(seconds.parse().unwrap_or(f64::NAN), seconds)?,
            action: action.parse()?,
        })
    }
}

/// A step as a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepTable {
    at_s: f64,
    cut: Option<[String; 2]>,
    restore: Option<[String; 2]>,
    set: Option<[String; 2]>,
    restart: Option<[String; 2]>,
    latency_ms: Option<f64>,
    jitter_ms: Option<f64>,
    loss_percent: Option<f64>,
    rate_mbit: Option<f64>,
}

impl TryFrom<StepTable> for TimelineStep {
    type Error = String;

    fn try_from(table: StepTable) -> Result<Self, String> {
        let StepTable {
            at_s,
            cut,
            restore,
            set,
            restart: again,
            latency_ms,
            jitter_ms,
            loss_percent,
            rate_mbit,
        } = table;
        let numbers = Numbers {
            latency_ms,
            jitter_ms,
            loss_percent,
            rate_mbit,
        };
        let has_numbers = [latency_ms, jitter_ms, loss_percent, rate_mbit]
            .iter()
            .any(Option::is_some);
        if has_numbers && set.is_none() {
            return Err("numbers of a link are for `set` only".into());
        }
        let action = match (cut, restore, set, again) {
            (Some([a, b]), None, None, None) => link(&a, &b, Change::Cut),
            (None, Some([a, b]), None, None) => Action::Restore { a, b },
            (None, None, Some([a, b]), None) => link(&a, &b, numbers.change()?),
            (None, None, None, Some([node, unit])) => restart(&node, &unit)?,
            _ => return Err("is not exactly one of cut, restore, set and restart".into()),
        };
        Ok(Self {
            at_s: at(at_s, &at_s.to_string())?,
            action,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
    fn a_table_means_the_same_as_its_line() {
        let cases = [
            (
                json!({ "at_s": 20, "cut": ["cloud", "edge"] }),
                "20 cut cloud edge",
            ),
            (
                json!({ "at_s": 1.5, "restore": ["cloud", "edge0"] }),
                "1.5 restore cloud edge0",
            ),
            (
                json!({ "at_s": 2, "set": ["edge0", "endpoint1"], "latency_ms": 20, "rate_mbit": 7.5 }),
                "2 set edge0 endpoint1 latency_ms=20 rate_mbit=7.5",
            ),
            (
                json!({ "at_s": 3, "restart": ["edge0", "edgecore"] }),
                "3 restart edge0 edgecore",
            ),
        ];
        for (table, line) in cases {
            let step: TimelineStep = serde_json::from_value(table).unwrap();
            assert_eq!(step.to_string(), line);
            assert_eq!(line.parse::<TimelineStep>().unwrap(), step);
        }
    }

    #[test]
    fn what_is_wrong_in_a_table_is_named() {
        let ab = ["a", "b"];
        let cases = [
            (json!({ "cut": ab }), "missing field `at_s`"),
            (
                json!({ "at_s": -1, "cut": ab }),
                "`-1` is not a number of seconds",
            ),
            (json!({ "at_s": 1 }), "exactly one of cut, restore"),
            (
                json!({ "at_s": 1, "cut": ab, "restore": ab }),
                "exactly one of cut, restore",
            ),
            (json!({ "at_s": 1, "sever": ab }), "unknown field `sever`"),
            (
                json!({ "at_s": 1, "cut": ab, "latency_ms": 1 }),
                "for `set` only",
            ),
            (json!({ "at_s": 1, "set": ab }), "at least one of"),
            (
                json!({ "at_s": 1, "set": ab, "rate_mbit": 0 }),
                "rate_mbit is 0, allowed",
            ),
            (
                json!({ "at_s": 1, "restart": ["edge0", "sshd"] }),
                "`sshd` is not one of cloudcore",
            ),
        ];
        for (table, want) in cases {
            let text = table.to_string();
            let error = serde_json::from_value::<TimelineStep>(table).unwrap_err();
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn a_time_that_no_run_reaches_is_refused_in_both_spellings() {
        for text in [
            "864000.1", "1e20", "1e300", "-0.1", "NaN", "inf", "-inf", "1e999",
        ] {
            let line = format!("{text} cut a b");
            let error = line.parse::<TimelineStep>().unwrap_err();
            assert!(error.ends_with("seconds, 0 to 864000"), "{text}: {error}");
        }
        for at_s in [864_000.1, 1e20, 1e300, -0.1] {
            let table = json!({ "at_s": at_s, "cut": ["a", "b"] });
            let error = serde_json::from_value::<TimelineStep>(table).unwrap_err();
            let error = error.to_string();
            assert!(error.ends_with("seconds, 0 to 864000"), "{at_s}: {error}");
        }
        for at_s in ["0", "864000"] {
            let step: TimelineStep = format!("{at_s} cut a b").parse().unwrap();
            assert_eq!(step.to_string(), format!("{at_s} cut a b"));
        }
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
