//! Asked and measured: what links and machines were to be, and what they are.

use super::ControllerTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// Nothing.
    #[default]
    Off,
    /// One way for all that were asked to be alike, every node, for a short time.
    Quick,
    /// Every way and every node, for longer.
    Full,
}

impl VerifyMode {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Median round trip, ms.
    RoundTrip,
    /// Standard deviation of round trips, ms.
    Jitter,
    /// Share of packets that do not come, percent.
    Loss,
    /// Share of datagrams that come after a later one, percent.
    Reordering,
    /// On the wire, Mbit/s.
    Rate,
    /// Share of each core.
    Processor,
    /// MB/s, past the page cache.
    DiskRead,
    /// MB/s, past the page cache.
    DiskWrite,
    /// That the node's kernel has, MiB.
    Memory,
    /// Node's clock minus the controller's, ms.
    Clock,
}

impl Quantity {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundTrip => "round trip",
            Self::Jitter => "jitter",
            Self::Loss => "loss",
            Self::Reordering => "reordering",
            Self::Rate => "rate",
            Self::Processor => "cpu",
            Self::DiskRead => "disk read",
            Self::DiskWrite => "disk write",
            Self::Memory => "memory",
            Self::Clock => "clock",
        }
    }

    /// Of its numbers.
    pub fn unit(self) -> &'static str {
        match self {
            Self::RoundTrip | Self::Jitter | Self::Clock => "ms",
            Self::Loss | Self::Reordering => "%",
            Self::Rate => "Mbit/s",
            Self::Processor => "core",
            Self::DiskRead | Self::DiskWrite => "MB/s",
            Self::Memory => "MiB",
        }
    }
}

/// Whose number it is: a node's, or that of the way from it to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Node; where a way begins.
    pub node: String,
    /// Where it ends.
    pub to: Option<String>,
}

impl Subject {
    pub fn node(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            to: None,
        }
    }

    pub fn way(from: &str, to: &str) -> Self {
        Self {
            node: from.to_owned(),
            to: Some(to.to_owned()),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.to {
            Some(to) => write!(f, "{} → {to}", self.node),
            None => f.write_str(&self.node),
        }
    }
}

/// What a measured number can say about the one that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Provable {
    /// Whether it is so.
    #[default]
    Exactly,
    /// Whether it is no more.
    AtMost,
    /// Nothing, and why.
    Not(&'static str),
}

/// One number that is to be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Whose.
    pub subject: Subject,
    pub quantity: Quantity,
    /// `None` = nobody asked for any; it is told all the same.
    pub value: Option<f64>,
    /// Standard deviation that was asked for, where numbers scatter.
    pub deviation: f64,
    /// What its measurement can say.
    pub provable: Provable,
}

/// Many values of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    pub mean: f64,
    pub deviation: f64,
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Spread {
    /// `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let at = |share: f64| {
            let index = (share * count as f64).ceil() as usize;
            sorted.get(index.saturating_sub(1)).copied()
        };
        let (p50, p99) = (at(0.5)?, at(0.99)?);
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let squares = sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        Some(Self {
            count,
            mean,
            deviation: (squares / count as f64).sqrt(),
            p50,
            p99,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub value: f64,
    /// What it was taken from: packets, round trips; 0 = one value.
    pub samples: u32,
    /// How long it was measured.
    pub seconds: f64,
    /// What else is known of it.
    pub spread: Option<Spread>,
}

/// What was measured, by what was asked; else why it was not.
pub type Measurements = BTreeMap<(Subject, Quantity), Result<Measured, String>>;

/// What comes of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As asked.
    InTolerance,
    /// Not as asked.
    OutOfTolerance,
    /// Asked for, and nobody knows.
    NotMeasured,
    /// Nobody asked for any number.
    NotAsked,
}

/// One number asked, one measured.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyRow {
    /// Whose.
    #[serde(flatten)]
    pub subject: Subject,
    pub quantity: Quantity,
    /// Of the numbers.
    pub unit: &'static str,
    pub asked: Option<f64>,
    pub measured: Option<f64>,
    /// The smallest that is as asked.
    pub least: Option<f64>,
    /// The largest.
    pub most: Option<f64>,
    /// What comes of it.
    pub verdict: Verdict,
    /// Why it is so, as far as can be told.
    pub cause: Option<String>,
    /// Round trips, packets.
    pub samples: u32,
    /// How long it was measured.
    pub seconds: f64,
    /// Of round trips.
    pub spread: Option<Spread>,
    /// How often it was measured: a number that is not as asked is measured again, and the best counts.
    pub tries: u32,
}

/// A number as it is told: enough digits to see a difference of a hundredth.
pub fn digits(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        medium if medium >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl VerifyRow {
    /// What is as asked, as `14.50 to 15.60`; empty where any number is.
    pub fn tolerance(&self) -> String {
        match (self.least, self.most) {
            (Some(least), Some(most)) => format!("{} to {}", digits(least), digits(most)),
            (None, Some(most)) => format!("up to {}", digits(most)),
            (Some(least), None) => format!("from {}", digits(least)),
            (None, None) => String::new(),
        }
    }
}

/// In one line, for reasons and notes.
impl std::fmt::Display for VerifyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |value: Option<f64>| value.map_or("unknown".to_owned(), digits);
        write!(f, "{} {}", self.subject, self.quantity.name())?;
        if let Some(measured) = self.measured {
            write!(f, " is {} {}", digits(measured), self.unit)?;
        }
        if self.asked.is_some() {
            write!(f, ", asked {}", number(self.asked))?;
        }
        let tolerance = self.tolerance();
        if self.measured.is_some() && !tolerance.is_empty() {
            write!(f, " ({tolerance})")?;
        }
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// What spoils numbers on the host while they are measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostFacts {
    /// Cores that this program may use.
    pub cores: usize,
    /// Cores that were promised to nodes: cores times quota.
    pub promised_cores: f64,
    /// Programs that wanted to run before it began, mean of a minute.
    pub load_before: f64,
    /// Share of all cores' time that went to other machines of the host's own host.
    pub steal_share: f64,
    /// Share of the time in which the controller's control groups were throttled.
    pub throttled_share: f64,
    /// Of the first core's frequency; empty = the kernel has none.
    pub governor: String,
    /// By node: share of its cores' time that its own kernel saw stolen.
    pub stolen_share: BTreeMap<String, f64>,
    /// By node: share of the time in which control groups inside it throttled its agent.
    pub node_throttled_share: BTreeMap<String, f64>,
    /// By node: what its kernel takes the time from.
    pub clock_source: BTreeMap<String, String>,
}

/// One comparison of a deployment with what was asked.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// How much of it.
    pub mode: VerifyMode,
    pub tolerances: Option<&'static str>,
    /// When it began.
    pub begun_unix_ns: ControllerTime,
    /// What it cost.
    pub seconds: f64,
    /// Bytes that went over links for it.
    pub network_bytes: u64,
    /// Bytes that were written to disks and read from them.
    pub disk_bytes: u64,
    /// Number by number.
    pub rows: Vec<VerifyRow>,
    /// What may have spoilt them.
    pub host: HostFacts,
    /// In words.
    pub notes: Vec<String>,
}

impl Verification {
    pub fn rows_that_are(&self, verdict: Verdict) -> impl Iterator<Item = &VerifyRow> {
        self.rows.iter().filter(move |row| row.verdict == verdict)
    }

    /// Everything that was asked for was measured, and is so.
    pub fn is_as_asked(&self) -> bool {
        let none = |verdict| self.rows_that_are(verdict).next().is_none();
        none(Verdict::OutOfTolerance)
            && none(Verdict::NotMeasured)
            && self.rows_that_are(Verdict::InTolerance).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_its_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let spread = Spread::of(&values).unwrap();
        assert_eq!((spread.count, spread.p50, spread.p99), (200, 100.0, 198.0));
        assert!((spread.mean - 100.5).abs() < 1e-9);
        assert!((spread.deviation - 57.73).abs() < 0.01, "{spread:?}");
        assert_eq!(Spread::of(&[]), None);
    }
}
