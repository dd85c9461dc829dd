//! `result.json`, as far as reports show it.

use continuum_host::error::Error;
use continuum_model::{ClockPair, Clocks, LinkClass, NodePlan, Validity};
use continuum_workload_core::stats::{LEAST_FOR_P95, LEAST_FOR_P99};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// Newest version of the file that is understood.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// `result.json`. Fields that older versions did not have are empty there.
#[derive(Debug, Deserialize)]
pub(crate) struct ResultFile {
    pub(crate) schema: u32,
    pub(crate) name: String,
    pub(crate) begun_unix_ns: i64,
    #[serde(default)]
    load_unix_ns: Option<i64>,
    pub(crate) interrupted: bool,
    pub(crate) controller_version: String,
    pub(crate) validity: Validity,
    pub(crate) invalid_reasons: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) config: Value,
    pub(crate) plan: PlanPart,
    pub(crate) host: Value,
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) clocks: Clocks,
    pub(crate) timeline: Vec<TimelineRow>,
    pub(crate) stage_times: Vec<StageTime>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) stages_ms: BTreeMap<String, StageRow>,
    pub(crate) tables: Vec<ResultTable>,
    pub(crate) metrics: Vec<MetricsRow>,
    pub(crate) runs: Vec<RunRow>,
    /// What was asked for beside what was measured.
    #[serde(default)]
    pub(crate) verification: Option<Value>,
}

/// Distribution of a stage, ms.
#[derive(Debug, Deserialize)]
pub(crate) struct StageRow {
    pub(crate) count: u64,
    /// Since schema 2.
    #[serde(default)]
    pub(crate) mean_ms: Option<f64>,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    pub(crate) max_ms: f64,
}

impl StageRow {
    /// Schema 1 had it of any number of values.
    pub(crate) fn p95_ms(&self) -> Option<f64> {
        self.p95_ms.filter(|_| self.count >= LEAST_FOR_P95)
    }

    /// Likewise.
    pub(crate) fn p99_ms(&self) -> Option<f64> {
        self.p99_ms.filter(|_| self.count >= LEAST_FOR_P99)
    }
}

/// Nodes and links.
#[derive(Debug, Deserialize)]
pub(crate) struct PlanPart {
    pub(crate) prefix: String,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) links: Vec<LinksOfNode>,
}

/// Links of one node.
#[derive(Debug, Deserialize)]
pub(crate) struct LinksOfNode {
    pub(crate) from: String,
    pub(crate) to: Vec<LinkClass>,
}

/// What the controller did or saw.
#[derive(Debug, Deserialize)]
pub(crate) struct TimelineRow {
    pub(crate) after_s: f64,
    pub(crate) source: String,
    pub(crate) text: String,
}

/// How long a stage of the command took.
#[derive(Debug, Deserialize)]
pub(crate) struct StageTime {
    pub(crate) stage: String,
    pub(crate) seconds: f64,
}

/// A table as it was printed.
#[derive(Debug, Deserialize)]
pub(crate) struct ResultTable {
    pub(crate) banner: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// What became of the metrics of a node.
#[derive(Debug, Deserialize)]
pub(crate) struct MetricsRow {
    pub(crate) node: String,
    pub(crate) samples: u64,
    pub(crate) dropped: u64,
    pub(crate) broken: Option<String>,
}

/// One program that was started.
#[derive(Debug, Deserialize)]
pub(crate) struct RunRow {
    pub(crate) id: String,
    pub(crate) node: String,
    pub(crate) role: String,
    /// Node of the worker that it sends to.
    #[serde(default)]
    pub(crate) worker: Option<String>,
    pub(crate) cpu_cores: f64,
    pub(crate) memory_mib: u64,
    pub(crate) exit: Option<Value>,
    pub(crate) detail: String,
    pub(crate) problems: Vec<String>,
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

impl ResultFile {
    /// Of a result directory. A version that this program does not know is refused by its number.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("result.json");
        let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let refused = |error: serde_json::Error| {
            Error::other(format!("read `{}` as a result", path.display()), error)
        };
        let Version { schema } = serde_json::from_str(&text).map_err(refused)?;
        if schema > SCHEMA_VERSION {
            return Err(Error::other(
                format!("read `{}`", path.display()),
                format!(
                    "its schema is {schema}, and this program knows {SCHEMA_VERSION} and older ones; use the \
                     continuum-ctl that made it, or a newer one"
                ),
            ));
        }
        serde_json::from_str(&text).map_err(refused)
    }

    /// When the load began, by the controller's clock.
    pub(crate) fn load_unix_ns(&self) -> i64 {
        self.load_unix_ns.unwrap_or(self.begun_unix_ns)
    }

    /// A node's clock minus the controller's, nanoseconds; 0 where nobody knows.
    pub(crate) fn clock_ahead_ns(&self, node: &str) -> i64 {
        self.clocks
            .get(node)
            .map_or(0, |pair| ClockPair::offset(pair).0)
    }

    /// A node's time as seconds since the load began.
    pub(crate) fn seconds(&self, node: &str, node_unix_ns: i64) -> f64 {
        (node_unix_ns - self.clock_ahead_ns(node) - self.load_unix_ns()) as f64 / 1e9
    }

    /// A value of the config.
    pub(crate) fn config_text(&self, pointer: &str) -> Option<&str> {
        self.config.pointer(pointer)?.as_str()
    }
}
