//! The table of what may be said of a link: in configs, by hand and in timelines, each by the same name.

use super::{Distribution, Link};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What values a setting has. All are kept as numbers: a truth value as 0 or 1, a name by its place.
#[derive(Debug, Clone, Copy)]
pub enum SettingKind {
    /// In a range.
    Number(f64, f64),
    /// True or false.
    Truth,
    /// One of these.
    Name(&'static [&'static str]),
}

/// One thing that may be said of a link.
#[derive(Debug)]
pub struct Setting {
    /// Everywhere.
    pub name: &'static str,
    /// Its values.
    pub kind: SettingKind,
    /// What it is, with its default.
    pub doc: &'static str,
    pub get: fn(&Link) -> f64,
    pub set: fn(&mut Link, f64),
}

macro_rules! number {
    ($field:ident, $low:literal, $high:literal, $doc:literal) => {
        Setting {
            name: stringify!($field),
            kind: SettingKind::Number($low, $high),
            doc: $doc,
            get: |link| link.$field,
            set: |link, value| link.$field = value,
        }
    };
}

/// All of them, in the order in which they are shown.
pub static SETTINGS: [Setting; 11] = [
    number!(latency_ms, 0.0, 60_000.0, "one-way latency (by preset)"),
    number!(
        jitter_ms,
        0.0,
        60_000.0,
        "standard deviation of the latency (by preset)"
    ),
    Setting {
        name: "jitter_distribution",
        kind: SettingKind::Name(&Distribution::NAMES),
        doc: "how latencies spread: `none` is evenly (normal)",
        get: |link| f64::from(link.jitter_distribution as u8),
        set: |link, value| {
            let named = Distribution::ALL.get(value as usize);
            link.jitter_distribution = named.copied().unwrap_or_default();
        },
    },
    Setting {
        name: "jitter_reorders",
        kind: SettingKind::Truth,
        doc: "packets overtake each other as their latencies have it; else none leaves before the one ahead of it (false)",
        get: |link| f64::from(u8::from(link.jitter_reorders)),
        set: |link, value| link.jitter_reorders = value > 0.0,
    },
    number!(loss_percent, 0.0, 100.0, "packets lost in percent (0)"),
    number!(
        loss_correlation_percent,
        0.0,
        99.0,
        "correlation of a loss with the packet before, so that losses come in bursts; their share stays (0)"
    ),
    number!(
        corruption_percent,
        0.0,
        100.0,
        "packets with a bit flipped in percent (0)"
    ),
    number!(
        duplication_percent,
        0.0,
        100.0,
        "packets sent twice in percent (0)"
    ),
    number!(
        reordering_percent,
        0.0,
        100.0,
        "packets sent at once, ahead of those that wait for their latency, in percent (0)"
    ),
    number!(rate_mbit, 0.001, 1_000_000.0, "rate in Mbit/s (by preset)"),
    number!(
        queue_ms,
        1.0,
        60_000.0,
        "length of the queue in milliseconds at the rate, in full packets (1000)"
    ),
];

impl Setting {
    pub fn of(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// What may stand there.
    pub fn allowed(&self) -> String {
        match self.kind {
            SettingKind::Number(low, high) => format!("{low} to {high}"),
            SettingKind::Truth => "true and false".to_owned(),
            SettingKind::Name(names) => names.join(", "),
        }
    }

    /// As it is written.
    pub fn text(&self, value: f64) -> String {
        match self.kind {
            SettingKind::Number(..) => value.to_string(),
            SettingKind::Truth => (value > 0.0).to_string(),
            SettingKind::Name(names) => {
                let name = names.get(value as usize).copied();
                name.unwrap_or_default().to_owned()
            }
        }
    }

    /// As it is in results.
    pub fn json(&self, value: f64) -> Value {
        match self.kind {
            SettingKind::Number(..) => value.into(),
            SettingKind::Truth => (value > 0.0).into(),
            SettingKind::Name(_) => self.text(value).into(),
        }
    }

    /// As it is kept, or what would be allowed.
    pub fn read(&self, text: &str) -> Result<f64, String> {
        let value = match self.kind {
            SettingKind::Number(low, high) => {
                let number = text.parse::<f64>().ok();
                number.filter(|number| (low..=high).contains(number))
            }
            SettingKind::Truth => text
                .parse()
                .ok()
                .map(|truth: bool| f64::from(u8::from(truth))),
            SettingKind::Name(names) => {
                let place = names.iter().position(|name| *name == text);
                place.map(|place| place as f64)
            }
        };
        value.ok_or_else(|| {
            let (name, text) = (self.name, text.escape_debug());
            format!("{name} is `{text}`, allowed are {}", self.allowed())
        })
    }
}

/// Some settings of a link; the others are not given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct LinkSettings(BTreeMap<usize, f64>);

impl LinkSettings {
    /// Adds one, or says what is wrong with it.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), String> {
        let all = SETTINGS.iter().enumerate();
        let Some((index, setting)) = all.into_iter().find(|(_, s)| s.name == name) else {
            let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
            return Err(format!("`{name}` is not one of {}", names.join(", ")));
        };
        self.0.insert(index, setting.read(text)?);
        Ok(())
    }

    /// Those of a table: numbers, truth values and texts.
    pub fn add_json(&mut self, name: &str, value: &Value) -> Result<(), String> {
        match value {
            Value::String(text) => self.add(name, text),
            other => self.add(name, &other.to_string()),
        }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is given.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(setting, _)| setting.name == name)
    }

    /// Of this one, if it is given.
    pub fn value(&self, setting: &Setting) -> Option<f64> {
        let mut given = self.iter();
        given
            .find(|(own, _)| own.name == setting.name)
            .map(|(_, value)| value)
    }

    fn iter(&self) -> impl Iterator<Item = (&'static Setting, f64)> {
        let known = self.0.iter();
        known.filter_map(|(index, value)| Some((SETTINGS.get(*index)?, *value)))
    }

    /// A link with these, and what is not given as it was.
    #[must_use]
    pub fn over(&self, mut link: Link) -> Link {
        for (setting, value) in self.iter() {
            (setting.set)(&mut link, value);
        }
        link
    }

    /// These, and what they do not give as it was given before.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        let mut all = before.clone();
        all.0.extend(&self.0);
        all
    }
}

impl TryFrom<Map<String, Value>> for LinkSettings {
    type Error = String;

    fn try_from(table: Map<String, Value>) -> Result<Self, String> {
        let mut all = Self::default();
        for (name, value) in table.iter().filter(|(_, value)| !value.is_null()) {
            all.add_json(name, value)?;
        }
        Ok(all)
    }
}

impl Serialize for LinkSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.iter();
        serializer.collect_map(all.map(|(setting, value)| (setting.name, setting.json(value))))
    }
}

/// As `name=value` with spaces between.
impl std::fmt::Display for LinkSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.iter();
        let texts: Vec<String> = all
            .map(|(setting, value)| format!("{}={}", setting.name, setting.text(value)))
            .collect();
        f.write_str(&texts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[(&str, &str)]) -> LinkSettings {
        let mut all = LinkSettings::default();
        for (name, text) in words {
            all.add(name, text).unwrap();
        }
        all
    }

    #[test]
    fn what_is_given_is_put_over_a_link_and_the_rest_stays() {
        let given = settings(&[
            ("jitter_distribution", "pareto"),
            ("latency_ms", "7.5"),
            ("jitter_reorders", "true"),
        ]);
        assert_eq!(
            given.to_string(),
            "latency_ms=7.5 jitter_distribution=pareto jitter_reorders=true"
        );
        let link = given.over(Link::PLAIN);
        assert_eq!(link.jitter_distribution, Distribution::Pareto);
        assert!(link.jitter_reorders);
        assert!((link.rate_mbit - 1000.0).abs() < 1e-9);
        let later = settings(&[("latency_ms", "9"), ("queue_ms", "50")]);
        assert_eq!(
            later.after(&given).to_string(),
            "latency_ms=9 jitter_distribution=pareto jitter_reorders=true queue_ms=50"
        );
    }

    #[test]
    fn every_setting_is_read_as_it_is_written() {
        for setting in &SETTINGS {
            let value = (setting.get)(&Link::PLAIN);
            assert_eq!(
                setting.read(&setting.text(value)),
                Ok(value),
                "{}",
                setting.name
            );
            let mut link = Link::PLAIN;
            (setting.set)(&mut link, value);
            assert_eq!(link, Link::PLAIN, "{}", setting.name);
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_is_allowed() {
        let mut all = LinkSettings::default();
        for (name, text, want) in [
            ("speed", "1", "`speed` is not one of latency_ms"),
            (
                "loss_percent",
                "101",
                "loss_percent is `101`, allowed are 0 to 100",
            ),
            ("loss_percent", "NaN", "allowed are 0 to 100"),
            ("latency_ms", "-1", "allowed are 0 to 60000"),
            ("rate_mbit", "0", "allowed are 0.001 to 1000000"),
            ("rate_mbit", "fast", "rate_mbit is `fast`, allowed are"),
            (
                "jitter_distribution",
                "gauss",
                "allowed are none, normal, pareto",
            ),
            ("jitter_reorders", "yes", "allowed are true and false"),
        ] {
            let error = all.add(name, text).unwrap_err();
            assert!(error.contains(want), "{name}={text}: {error}");
        }
        assert!(all.is_empty());
    }
}
