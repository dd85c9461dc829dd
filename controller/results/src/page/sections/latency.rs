//! How long photos took, and where.

use super::{Section, figures};
use crate::{
    data_table::{DataTable, NONE, number, optional},
    figures::LATENCY,
    read::RunFiles,
};
use continuum_host::error::Error;
use continuum_workload_core::stats::{LEAST_FOR_P95, LEAST_FOR_P99};

fn stages(run: &RunFiles) -> DataTable {
    let columns = [
        "stage (ms)",
        "count",
        "mean",
        "p50",
        "p90",
        "p95",
        "p99",
        "max",
    ];
    let mut table = DataTable::new("Where the time went: percentiles of each stage", &columns);
    for (name, stage) in &run.result.stages_ms {
        table.row([
            name.clone(),
            stage.count.to_string(),
            optional(stage.mean_ms),
            number(stage.p50_ms),
            number(stage.p90_ms),
            optional(stage.p95_ms()),
            optional(stage.p99_ms()),
            number(stage.max_ms),
        ]);
    }
    let is_short = table.rows.iter().flatten().any(|cell| cell == NONE);
    if is_short {
        table.note = format!(
            "{NONE}: too few photos for this percentile; p95 takes {LEAST_FOR_P95} of them, and p99 takes {LEAST_FOR_P99}."
        );
    }
    table
}

pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let figures = figures(LATENCY, run)?;
    let stages = stages(run);
    if figures.is_empty() && stages.rows.is_empty() {
        return Ok(None);
    }
    let tables = Vec::from_iter((!stages.rows.is_empty()).then_some(stages));
    Ok(Some(Section {
        id: "latency",
        title: "Latency",
        text: "Counted from when a photo or call was due, so that waiting behind a late one counts too.".into(),
        tables,
        figures,
        ..Section::default()
    }))
}
