//! `result.json`, as far as reports show it.

use crate::error::ResultsError;
use continuum_host::error::Error;
use continuum_model::{
    Clocks, ControllerTime, Facts, LinkClass, NodeClock, NodePlan, StagePrediction, UnixTime,
    Validity, clock_offset,
};
use continuum_workload_core::stats::{LEAST_FOR_P95, LEAST_FOR_P99};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// What a run left, in its directory.
pub const RESULT_FILE: &str = "result.json";
/// Version of it that is written, and the newest that is understood.
pub const RESULT_SCHEMA_VERSION: u32 = 2;

/// Whether a directory is that of a result.
pub fn is_result(dir: &Path) -> bool {
    dir.join(RESULT_FILE).is_file()
}

/// `result.json`. Fields that older versions did not have are empty there.
#[derive(Debug, Deserialize)]
pub(crate) struct ResultFile {
    pub(crate) schema: u32,
    pub(crate) name: String,
    pub(crate) begun_unix_ns: ControllerTime,
    #[serde(default)]
    load_unix_ns: Option<ControllerTime>,
    pub(crate) interrupted: bool,
    pub(crate) controller_version: String,
    pub(crate) validity: Validity,
    pub(crate) invalid_reasons: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) config: Value,
    pub(crate) plan: PlanPart,
    pub(crate) host: Value,
    pub(crate) facts: Facts,
    pub(crate) clocks: Clocks,
    pub(crate) timeline: Vec<TimelineRow>,
    pub(crate) stage_times: Vec<StageTime>,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) stages_ms: BTreeMap<String, StageRow>,
    /// What stages were expected to take.
    #[serde(default)]
    pub(crate) prediction: Vec<StagePrediction>,
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
        let path = dir.join(RESULT_FILE);
        let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let refused = |source: serde_json::Error| {
            let path = path.clone();
            ResultsError::Result { path, source }
        };
        let Version { schema } = serde_json::from_str(&text).map_err(refused)?;
        if schema > RESULT_SCHEMA_VERSION {
            let known = RESULT_SCHEMA_VERSION;
            let newer = ResultsError::NewerSchema {
                path,
                schema,
                known,
            };
            return Err(newer.into());
        }
        Ok(serde_json::from_str(&text).map_err(refused)?)
    }

    /// When the load began.
    pub(crate) fn load_unix_ns(&self) -> ControllerTime {
        self.load_unix_ns.unwrap_or(self.begun_unix_ns)
    }

    /// A node's time as seconds since the load began.
    pub(crate) fn seconds<C: NodeClock>(&self, node: &str, at: UnixTime<C>) -> f64 {
        let at = clock_offset(&self.clocks, node).to_controller(at);
        at.s_since(self.load_unix_ns())
    }

    pub(crate) fn config_text(&self, pointer: &str) -> Option<&str> {
        self.config.pointer(pointer)?.as_str()
    }
}
