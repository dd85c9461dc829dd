//! A result directory, read whole.

mod metrics;
mod photos;
mod result_file;

pub(crate) use metrics::NodeSeries;
pub(crate) use photos::{Latency, Stages};
pub use result_file::{RESULT_FILE, RESULT_SCHEMA_VERSION, is_result};
pub(crate) use result_file::{ResultFile, ResultTable, StageRow};

use crate::error::ResultsError;
use continuum_host::error::Error;
use continuum_model::{END_TO_END, NodePlan, NodeTime};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Fails where a result cannot be read.
pub fn check(dir: &Path) -> Result<(), Error> {
    RunFiles::read(dir).map(drop)
}

/// What a directory is called, also one that was named as `.` or through a link.
pub fn directory_name(dir: &Path) -> String {
    let found = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = found.file_name().unwrap_or(dir.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Everything of a run that a report shows.
#[derive(Debug)]
pub(crate) struct RunFiles {
    /// Of its directory.
    pub(crate) name: String,
    /// `result.json`.
    pub(crate) result: ResultFile,
    /// One for each photo, or call of a function, that was answered well; in the order in which they were due.
    pub(crate) latencies: Vec<Latency>,
    /// Values of each stage, ms, by endpoint and stage.
    pub(crate) stages: Stages,
    /// What was measured of each node.
    pub(crate) nodes: Vec<NodeSeries>,
    /// `events.csv`.
    pub(crate) events: Vec<Event>,
}

/// A line of `events.csv`, with its time by the controller's clock.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) node: String,
    /// Since the load began.
    pub(crate) at_s: f64,
    pub(crate) source: String,
    pub(crate) text: String,
}

#[derive(serde::Deserialize)]
struct EventRow {
    node: String,
    time_unix_ns: NodeTime,
    source: String,
    text: String,
}

impl RunFiles {
    /// Reads a directory that `bench` or `run` made. Files of raw data that are missing count as empty, as where a disk was
    /// full; `result.json` must be there.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let result = ResultFile::read(dir)?;
        let photos = photos::read(dir, &result)?;
        let rows: Vec<EventRow> = rows(&dir.join("events.csv"), Columns::ByName)?;
        let mut events: Vec<Event> = rows
            .into_iter()
            .map(|row| Event {
                at_s: result.seconds(&row.node, row.time_unix_ns),
                node: row.node,
                source: row.source,
                text: row.text,
            })
            .collect();
        events.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        Ok(Self {
            name: directory_name(dir),
            latencies: photos.latencies,
            stages: photos.stages,
            nodes: metrics::read(dir, &result)?,
            events,
            result,
        })
    }

    /// Those percentiles of the latency from due that there are enough photos for: name and ms.
    pub(crate) fn percentiles(&self) -> Vec<(&'static str, f64)> {
        let Some(all) = self.result.stages_ms.get(END_TO_END) else {
            return Vec::new();
        };
        let named = [
            ("p50", Some(all.p50_ms)),
            ("p95", all.p95_ms()),
            ("p99", all.p99_ms()),
        ];
        named
            .into_iter()
            .filter_map(|(name, ms)| Some((name, ms?)))
            .collect()
    }

    /// A node as it was planned.
    pub(crate) fn plan_of(&self, node: &str) -> Option<&NodePlan> {
        self.result.plan.nodes.iter().find(|plan| plan.name == node)
    }

    /// Names of all stages, in order.
    pub(crate) fn stage_names(&self) -> BTreeSet<&'static str> {
        self.stages
            .values()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect()
    }

    /// Values of a stage, ms: those of one endpoint after those of another, each in the order in which they were due.
    pub(crate) fn stage(&self, name: &str) -> Vec<f64> {
        let values = self.stages.values().filter_map(|stages| stages.get(name));
        values.flatten().copied().collect()
    }
}

/// How the columns of a file belong to the fields of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Columns {
    /// A column has the name of its field; others are left alone.
    ByName,
    /// In the order of fields: what is nested in a row has no names of its own there.
    ByPlace,
}

/// Rows of a CSV file; none where there is no such file.
fn rows<T: serde::de::DeserializeOwned>(path: &Path, columns: Columns) -> Result<Vec<T>, Error> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let mut reader = csv::Reader::from_reader(std::io::BufReader::new(file));
    let refused = |source: csv::Error| {
        let path = path.to_owned();
        ResultsError::Rows { path, source }
    };
    let names = reader.headers().map_err(refused)?.clone();
    let names = Some(&names).filter(|_| columns == Columns::ByName);
    let mut record = csv::StringRecord::new();
    let mut rows = Vec::new();
    while reader.read_record(&mut record).map_err(refused)? {
        rows.push(record.deserialize(names).map_err(refused)?);
    }
    Ok(rows)
}
