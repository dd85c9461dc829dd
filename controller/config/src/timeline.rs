//! What may happen while an application runs: links change, programs start again. In a config's `timeline` each is a table
//! or one line; in results it is one line.

use super::printable::printable;
use continuum_model::{LinkSettings, SETTINGS, Setting};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::str::FromStr;

/// What becomes of a link.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing gets through.
    Cut,
    /// Other numbers; what is not given stays.
    Set(LinkSettings),
}

/// Two places with a link between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ends {
    /// Tier or node.
    pub a: String,
    /// Tier or node.
    pub b: String,
    /// Only from `a` to `b`.
    #[serde(default)]
    pub is_one_way: bool,
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = if self.is_one_way { "to " } else { "" };
        write!(f, "{} {to}{}", self.a, self.b)
    }
}

/// A change with the link that it is about.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LinkChange {
    #[serde(flatten)]
    pub ends: Ends,
    /// What becomes of it.
    pub change: Change,
}

impl std::fmt::Display for LinkChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ends, change } = self;
        match change {
            Change::Cut => write!(f, "cut {ends}"),
            Change::Set(settings) => write!(f, "set {ends} {settings}"),
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
    Restore(Ends),
    /// A unit of a node starts again.
    Restart {
        node: String,
        /// One of [`UNITS`].
        unit: String,
    },
}

impl Action {
    /// The link that it is about, if it is about one.
    pub fn ends(&self) -> Option<&Ends> {
        match self {
            Self::Change(change) => Some(&change.ends),
            Self::Restore(ends) => Some(ends),
            Self::Restart { .. } => None,
        }
    }
}

/// When it happens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "StepTable")]
pub struct TimelineStep {
    /// Seconds after all endpoints were started.
    pub at_s: f64,
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
            Self::Restore(ends) => write!(f, "restore {ends}"),
            Self::Restart { node, unit } => write!(f, "restart {node} {unit}"),
        }
    }
}

/// Of words as `name=value`; at least one.
fn settings(words: &[&str]) -> Result<Change, String> {
    let mut all = LinkSettings::default();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{}` is not name=value", printable(word)))?;
        all.add(name, value)?;
    }
    some(all)
}

fn some(settings: LinkSettings) -> Result<Change, String> {
    if settings.is_empty() {
        let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        return Err(format!("`set` needs at least one of {}", names.join(", ")));
    }
    Ok(Change::Set(settings))
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

fn link(ends: Ends, change: Change) -> Action {
    Action::Change(LinkChange { ends, change })
}

fn ends(a: &str, b: &str, is_one_way: bool) -> Ends {
    Ends {
        a: a.to_owned(),
        b: b.to_owned(),
        is_one_way,
    }
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
        let (verb, ends, rest) = match words.as_slice() {
            ["restart", node, unit] => return restart(node, unit),
            [verb, a, "to", b, rest @ ..] => (*verb, ends(a, b, true), rest),
            [verb, a, b, rest @ ..] => (*verb, ends(a, b, false), rest),
            _ => ("", ends("", "", false), &[][..]),
        };
        match (verb, rest) {
            ("cut", []) => Ok(link(ends, Change::Cut)),
            ("set", rest) => Ok(link(ends, settings(rest)?)),
            ("restore", []) => Ok(Self::Restore(ends)),
            _ => Err(format!(
                "`{}` is none of: cut A B, restore A B, set A B name=value …, each also with A to B, restart NODE UNIT",
                printable(text)
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

#[derive(Debug, Deserialize)]
struct StepTable {
    at_s: f64,
    cut: Option<[String; 2]>,
    restore: Option<[String; 2]>,
    set: Option<[String; 2]>,
    restart: Option<[String; 2]>,
    #[serde(default)]
    one_way: bool,
    /// Settings of a link.
    #[serde(flatten)]
    others: Map<String, Value>,
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
            one_way,
            others,
        } = table;
        if let Some(unknown) = others.keys().find(|name| Setting::of(name).is_none()) {
            return Err(format!(
                "unknown field `{}`, expected at_s, cut, restore, set, restart, one_way or a setting of a link",
                printable(unknown)
            ));
        }
        let settings = LinkSettings::try_from(others)?;
        if !settings.is_empty() && set.is_none() {
            return Err("numbers of a link are for `set` only".into());
        }
        let ends = |[a, b]: [String; 2]| ends(&a, &b, one_way);
        let action = match (cut, restore, set, again) {
            (Some(both), None, None, None) => link(ends(both), Change::Cut),
            (None, Some(both), None, None) => Action::Restore(ends(both)),
            (None, None, Some(both), None) => link(ends(both), some(settings)?),
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
            "set endpoint to edge jitter_distribution=pareto jitter_reorders=true",
            "cut cloud to edge0",
            "restore cloud to edge0",
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
                json!({ "at_s": 2, "set": ["edge", "cloud"], "one_way": true, "jitter_distribution": "none" }),
                "2 set edge to cloud jitter_distribution=none",
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
                "rate_mbit is `0`, allowed are 0.001 to",
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
            (
                "5 set cloud edge speed=1",
                "`speed` is not one of latency_ms",
            ),
            ("5 set cloud edge loss_percent=101", "allowed are 0 to 100"),
        ];
        for (text, want) in cases {
            let error = text.parse::<TimelineStep>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
