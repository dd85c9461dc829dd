//! `bench --repeat`: runs one after the other, and what they have in common.

use super::{
    Given, find_config, judged,
    lifecycle::verify_mode,
    output::{Output, warn},
};
use crate::{bench, report::Place};
use continuum_host::{context::Context, error::Error, progress::note};
use continuum_model::{END_TO_END, Validity, VerifyMode};
use continuum_results::Summary;
use serde_json::json;
use std::path::Path;

/// Runs that fail end the series; what there is until then is summarised all the same. Invalid ones do not.
pub(super) async fn bench(
    context: &Context,
    output: &Output,
    given: Given<'_>,
    results: &Path,
    times: u32,
    mode: VerifyMode,
) -> Result<(), Error> {
    let checked = find_config(context, given)?;
    warn(&checked.warnings);
    let config = &checked.config;
    let mode = verify_mode(config, mode);
    let dir = Place::look(results, &format!("{}_repeat", config.name))?.make()?;
    let mut failed = Ok(());
    for number in 1..=times {
        let done = match bench::bench(context, config, &dir, mode).await {
            Ok(done) => done,
            Err(error) => {
                failed = Err(error);
                break;
            }
        };
        let report = &done.bench.report;
        let whole = report.stages.get(END_TO_END);
        let median = whole.map_or_else(String::new, |all| {
            format!(", p50 from due {:.2} ms", all.p50_ms)
        });
        let verdict = report.validity.loud_name();
        let why = match report.validity {
            Validity::Invalid => format!(": {}", report.invalid.join("; ")),
            Validity::Valid | Validity::Unverified => String::new(),
        };
        note(&format!("run {number} of {times}: {verdict}{why}{median}"));
        if done.written.is_err() {
            for table in &report.tables {
                output.text(&table.to_text());
            }
        }
        failed = done.written;
        if done.bench.interrupted {
            failed = Err(Error::Interrupted);
        }
        if failed.is_err() {
            break;
        }
    }
    context.progress.finish();
    let is_there = std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
    if !is_there {
        std::fs::remove_dir(&dir).ok();
        return failed;
    }
    let summary = match Summary::of(&dir) {
        Ok(summary) => summary,
        // Why there is nothing to be summarised comes first.
        Err(error) => return failed.and(Err(error)),
    };
    let written = summary.write(&dir);
    let rows = summary.rows();
    if rows.is_empty() {
        output.text("there are no photos or calls whose times could be summarised");
    } else {
        output.table(&Summary::COLUMNS, rows);
    }
    output.places(&dir);
    output.json(&json!({ "summary": summary, "results": dir.display().to_string() }));
    failed?;
    written?;
    judged(summary.invalid())
}
