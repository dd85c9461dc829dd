//! What was asked for beside what was measured.

use super::{List, Section};
use crate::{
    data_table::{DataTable, number, optional},
    read::RunFiles,
};
use continuum_host::error::Error;
use serde::Deserialize;

/// Before the run, and after it.
#[derive(Deserialize)]
struct Verification {
    before: Option<Measured>,
    after: Option<Measured>,
}

/// All links and machines at one time.
#[derive(Deserialize)]
struct Measured {
    seconds: f64,
    network_bytes: u64,
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// One number, of a node or of the way from it to another.
#[derive(Deserialize)]
struct Row {
    node: String,
    to: Option<String>,
    quantity: String,
    unit: String,
    asked: Option<f64>,
    measured: Option<f64>,
    least: Option<f64>,
    most: Option<f64>,
    verdict: String,
    cause: Option<String>,
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let to = self.to.as_ref().map(|to| format!(" → {to}"));
        let tolerance = match (self.least, self.most) {
            (Some(least), Some(most)) => format!("{} to {}", number(least), number(most)),
            (None, Some(most)) => format!("up to {}", number(most)),
            (Some(least), None) => format!("from {}", number(least)),
            (None, None) => String::new(),
        };
        [
            format!("{}{}", self.node, to.unwrap_or_default()),
            format!("{} ({})", self.quantity.replace('_', " "), self.unit),
            optional(self.asked),
            optional(self.measured),
            tolerance,
            self.verdict.replace('_', " "),
            self.cause.clone().unwrap_or_default(),
        ]
    }
}

fn table(when: &str, measured: &Measured) -> DataTable {
    let columns = [
        "node or way",
        "what",
        "asked",
        "measured",
        "tolerance",
        "verdict",
        "likely cause",
    ];
    let mut table = DataTable::new(when, &columns);
    for row in &measured.rows {
        table.row(row.cells());
    }
    table.note = format!(
        "Took {:.1} s and {} kB over links.",
        measured.seconds,
        measured.network_bytes / 1000
    );
    table
}

#[expect(clippy::unnecessary_wraps, reason = "as all sections are")]
pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let read = run.result.verification.clone().map(serde_json::from_value);
    let (mut text, mut tables, mut lists) = (String::new(), Vec::new(), Vec::new());
    match read {
        Some(Ok(Verification { before, after })) => {
            for (when, measured) in [("Before the run", before), ("After the run", after)] {
                let Some(measured) = measured else {
                    continue;
                };
                tables.push(table(when, &measured));
                let items = measured.notes;
                lists.extend((!items.is_empty()).then_some(List { title: when, items }));
            }
        }
        Some(Err(error)) => text = format!("It was measured, and cannot be read: {error}."),
        None => {}
    }
    if tables.is_empty() && text.is_empty() {
        text =
            "Not measured: links and machines may be others than those that were asked for.".into();
    }
    Ok(Some(Section {
        id: "verification",
        title: "Asked for and measured",
        text,
        lists,
        tables,
        ..Section::default()
    }))
}
