//! What a run prints when it is over.

use super::{output::Output, verify};
use crate::bench::Done;
use continuum_host::{context::Context, error::Error};
use continuum_model::{Report, Validity};
use continuum_workload_core::stats::{LEAST_FOR_P95, LEAST_FOR_P99};
use serde_json::json;

/// Tables, verdict, and where everything is; what makes the command fail.
pub(super) fn show_bench(context: &Context, output: &Output, done: Done) -> Result<(), Error> {
    let Done {
        bench,
        dir,
        written,
    } = done;
    context.progress.finish();
    let report = &bench.report;
    for table in &report.tables {
        output.text(&table.to_text());
    }
    for table in &report.tables {
        tracing::debug!("Output in csv format\n{}", table.to_csv_repr());
    }
    show_stages(output, report);
    show_prediction(output, report);
    if !report.counts.is_empty() {
        let counts: Vec<String> = report
            .counts
            .iter()
            .map(|(k, v)| format!("{k} {v}"))
            .collect();
        output.text(&format!("photos: {}", counts.join(", ")));
    }
    if !bench.controller_events.is_empty() {
        let rows = bench.controller_events.iter().map(|h| {
            let after_s = h.time_unix_ns.s_since(bench.load_unix_ns);
            vec![
                format!("{after_s:.1} s"),
                h.source.to_owned(),
                h.text.clone(),
            ]
        });
        output.table(&["after", "by", "what happened"], rows.collect());
    }
    output.text(&format!("validity: {}", report.validity.loud_name()));
    for reason in report.invalid.iter().chain(&report.notes) {
        output.text(&format!("  {reason}"));
    }
    for (when, verification) in bench.verification.all() {
        output.text(&verify::cost(when, verification));
    }
    output.places(&dir);
    output.json(&json!({ "report": report, "results": dir.display().to_string() }));
    written?;
    if bench.interrupted {
        return Err(Error::Interrupted);
    }
    if report.validity == Validity::Invalid {
        return Err(Error::InvalidResult {
            reasons: report.invalid.clone(),
        });
    }
    Ok(())
}

fn show_stages(output: &Output, report: &Report) {
    if report.stages.is_empty() {
        return;
    }
    let rows = report
        .stages
        .iter()
        .map(|(name, p)| {
            let mut row = vec![name.clone(), p.count.to_string()];
            let values = [
                Some(p.p50_ms),
                Some(p.p90_ms),
                p.p95_ms,
                p.p99_ms,
                Some(p.max_ms),
            ];
            let least = report.stage_errors_ms.get(name);
            let cell = |ms: Option<f64>| match (ms, least) {
                (None, _) => "–".into(),
                // Two clocks compared: shorter than what their difference is known to.
                (Some(ms), Some(least)) if ms < *least => format!("< {least:.2}"),
                (Some(ms), _) => format!("{ms:.2}"),
            };
            row.extend(values.map(cell));
            row
        })
        .collect();
    output.table(
        &["stage (ms)", "count", "p50", "p90", "p95", "p99", "max"],
        rows,
    );
    if report.stages.values().any(|p| p.p99_ms.is_none()) {
        output.text(&format!(
            "–: too few for this percentile, which takes {LEAST_FOR_P95} (p95) or {LEAST_FOR_P99} (p99)"
        ));
    }
}

/// Where nothing could be predicted, only why.
fn show_prediction(output: &Output, report: &Report) {
    let rows = &report.prediction;
    if rows.iter().all(|row| row.expected_ms.is_none()) {
        if let Some(whole) = rows.last() {
            output.text(&format!("stages are {}", whole.basis));
        }
        return;
    }
    let none = || "–".to_owned();
    let cells = rows.iter().map(|row| {
        vec![
            row.stage.clone(),
            row.expected_ms.map_or_else(none, |ms| format!("{ms:.2}")),
            format!("{:.2}", row.measured_ms),
            row.error().unwrap_or_else(none),
            row.basis.clone(),
        ]
    });
    let columns = ["mean (ms)", "expected", "measured", "error", "from"];
    output.table(&columns, cells.collect());
}
