//! What stages were expected to take, beside what they took.

use super::Section;
use crate::{
    data_table::{DataTable, NONE, number, optional},
    read::RunFiles,
};
use continuum_host::error::Error;

#[expect(clippy::unnecessary_wraps, reason = "as all sections are")]
pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let rows = &run.result.prediction;
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = ["stage (ms)", "expected", "measured", "error", "from"];
    let mut table = DataTable::new("Means of each stage", &columns);
    for row in rows {
        table.row([
            row.stage.clone(),
            optional(row.expected_ms),
            number(row.measured_ms),
            row.error().unwrap_or_else(|| NONE.to_owned()),
            row.basis.clone(),
        ]);
    }
    Ok(Some(Section {
        id: "prediction",
        title: "Expected and measured",
        text: "Expected if links carry what was asked for and nothing computes slower than it ever did in this run. TCP's slow \
               start, lost packets, the broker and whoever else wants a core are not expected: the error is theirs."
            .into(),
        tables: vec![table],
        ..Section::default()
    }))
}
