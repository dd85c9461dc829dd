//! `metrics.csv` by node.

use super::{Columns, ResultFile, rows};
use continuum_host::error::Error;
use continuum_model::NodeTime;
use serde::Deserialize;
use std::path::Path;

/// What is read of a row.
#[derive(Debug, Deserialize)]
struct Row {
    node: String,
    time_unix_ns: NodeTime,
    cpu_percent: f64,
    memory_used_bytes: u64,
    memory_total_bytes: u64,
    network_sent_bytes: u64,
}

/// What was measured of a node, each as seconds since the load began and a value.
#[derive(Debug, Default)]
pub(crate) struct NodeSeries {
    pub(crate) node: String,
    /// 0 to 100, of all its cores.
    pub(crate) cpu_percent: Vec<(f64, f64)>,
    pub(crate) memory_used_mib: Vec<(f64, f64)>,
    pub(crate) memory_total_mib: f64,
    pub(crate) sent_mbit: Vec<(f64, f64)>,
}

const MIB: f64 = 1_048_576.0;

impl NodeSeries {
    /// What was sent becomes a rate over the time since the sample before; a counter that went back was reset, and gives none.
    fn add(&mut self, at_s: f64, row: &Row, before: Option<&(f64, Row)>) {
        self.cpu_percent.push((at_s, row.cpu_percent));
        let used = row.memory_used_bytes as f64 / MIB;
        self.memory_used_mib.push((at_s, used));
        self.memory_total_mib = row.memory_total_bytes as f64 / MIB;
        let Some((before_s, before)) = before else {
            return;
        };
        let seconds = at_s - before_s;
        let now = row.network_sent_bytes;
        let bytes = now.checked_sub(before.network_sent_bytes);
        if let Some(bytes) = bytes.filter(|_| seconds > 0.0) {
            let mbit = bytes as f64 * 8.0 / 1e6;
            self.sent_mbit.push((at_s, mbit / seconds));
        }
    }
}

/// Nodes in the order of the file.
pub(super) fn read(dir: &Path, result: &ResultFile) -> Result<Vec<NodeSeries>, Error> {
    let rows: Vec<Row> = rows(&dir.join("metrics.csv"), Columns::ByName)?;
    let mut nodes: Vec<NodeSeries> = Vec::new();
    let mut before: Option<(f64, Row)> = None;
    for row in rows {
        if nodes.last().is_none_or(|node| node.node != row.node) {
            before = None;
            nodes.push(NodeSeries {
                node: row.node.clone(),
                ..NodeSeries::default()
            });
        }
        let at_s = result.seconds(&row.node, row.time_unix_ns);
        if let Some(node) = nodes.last_mut() {
            node.add(at_s, &row, before.as_ref());
        }
        before = Some((at_s, row));
    }
    Ok(nodes)
}
