//! The tables that the command printed, and the counts.

use super::Section;
use crate::{
    data_table::DataTable,
    flat::plain,
    read::{ResultTable, RunFiles},
};
use continuum_host::error::Error;

fn shown(table: &ResultTable) -> DataTable {
    DataTable {
        caption: table.banner.clone(),
        columns: table.columns.clone(),
        rows: table
            .rows
            .iter()
            .map(|row| row.iter().map(plain).collect())
            .collect(),
        note: String::new(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as all sections are")]
pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let result = &run.result;
    let tables = result.tables.iter().filter(|table| !table.rows.is_empty());
    let mut tables: Vec<DataTable> = tables.map(shown).collect();
    if !result.counts.is_empty() {
        let mut counts = DataTable::new("What became of them", &["", "count"]);
        for (name, count) in &result.counts {
            counts.row([name.clone(), count.to_string()]);
        }
        tables.push(counts);
    }
    if tables.is_empty() {
        return Ok(None);
    }
    Ok(Some(Section {
        id: "tables",
        title: "Tables",
        text: "As the command printed them. Averages and deviations of photos are upstream's: of the values between the 5th and the \
               90th percentile, counted from when a photo was begun; do not compare them with the percentiles above."
            .into(),
        tables,
        ..Section::default()
    }))
}
