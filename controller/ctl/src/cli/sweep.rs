//! `sweep`: one config with every combination of some values.

use super::{
    Given, find_config, judged,
    lifecycle::{UpOptions, down_locked, require_not_up, up_locked, verify_mode},
    output::{Output, warn},
};
use crate::{
    bench::{self, Done},
    report::Place,
};
use continuum_config::{Config, to_toml};
use continuum_host::{context::Context, error::Error, progress::note};
use continuum_model::VerifyMode;
use continuum_provider::Allow;
use continuum_results::{SWEEP_FILE, Series, Sweep, Variation};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What can be changed while machines stay as they are.
const OF_RUNS: &str = "benchmark.";

/// A point of the matrix as a config.
fn config_of(context: &Context, given: Given<'_>, own: &[String]) -> Result<Config, Error> {
    let set: Vec<String> = given.set.iter().chain(own).cloned().collect();
    let given = Given { set: &set, ..given };
    Ok(find_config(context, given)?.config)
}

/// Everything but what is varied between runs on the same machines.
fn machines(settings: &[String]) -> Vec<&String> {
    settings
        .iter()
        .filter(|s| !s.starts_with(OF_RUNS))
        .collect()
}

pub(super) async fn sweep(
    context: &Context,
    output: &Output,
    given: Given<'_>,
    vary: &[String],
    results: Option<PathBuf>,
    allow: Allow,
    mode: VerifyMode,
) -> Result<(), Error> {
    let variations = Variation::parse_all(vary)?;
    let checked = find_config(context, given)?;
    warn(&checked.warnings);
    let name = &checked.config.name;
    let dir = results.unwrap_or_else(|| Path::new("results").join(format!("sweep_{name}")));
    // One that was killed has left its machines behind.
    let goes_on = dir.join(SWEEP_FILE).is_file();
    let mut sweep = Sweep::new(&to_toml(&checked.config), variations).resume(&dir)?;
    // Every fault of every point before the first of them makes anything.
    let mut configs = Vec::new();
    for point in &sweep.points {
        let config = config_of(context, given, &sweep.settings(point))?;
        bench::require_benchmark(&config)?;
        if !goes_on {
            require_not_up(context, &config.name)?;
        }
        configs.push(config);
    }
    Place::look(&dir, name)?;
    sweep.save(&dir)?;
    let outcome = run_points(context, &mut sweep, &configs, &dir, allow, mode).await;
    context.progress.finish();
    let rows = sweep.rows(&dir)?;
    let written = sweep.write_page(&dir);
    let columns = sweep.columns();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    output.table(&columns, rows.clone());
    output.places(&dir);
    output.json(&json!({ "sweep": sweep, "columns": columns, "rows": rows, "results": dir.display().to_string() }));
    outcome?;
    written?;
    let outcomes = sweep.outcomes(&dir)?;
    let reasons: Vec<String> = outcomes
        .iter()
        .flat_map(|o| o.invalid_reasons().iter().cloned())
        .collect();
    judged(reasons)
}

/// What is done already is skipped; whatever ends the sweep, its machines are removed.
async fn run_points(
    context: &Context,
    sweep: &mut Sweep,
    configs: &[Config],
    dir: &Path,
    allow: Allow,
    mode: VerifyMode,
) -> Result<(), Error> {
    let all = sweep.points.len();
    let mut up: Option<(Vec<String>, &Config)> = None;
    let mut outcome = Ok(());
    for (index, config) in configs.iter().enumerate() {
        let Some(point) = sweep.points.get(index) else {
            continue;
        };
        if point.result.is_some() {
            note(&format!("run {} of {all}: done already", index + 1));
            continue;
        }
        let settings = sweep.settings(point);
        note(&format!(
            "run {} of {all}: {}",
            index + 1,
            settings.join(" ")
        ));
        let own: Vec<String> = machines(&settings).into_iter().cloned().collect();
        let is_up = up.as_ref().is_some_and(|(machines, _)| *machines == own);
        if !is_up && let Some((_, old)) = up.take() {
            down_locked(context, old).await?;
        }
        if !is_up {
            let options = UpOptions {
                rollback: true,
                allow,
                ..UpOptions::default()
            };
            outcome = up_locked(context, config, options).await.map(|_| ());
            if outcome.is_err() {
                break;
            }
            up = Some((own, config));
        }
        outcome = one(context, sweep, index, config, dir, mode).await;
        if outcome.is_err() {
            break;
        }
    }
    if let Some((_, old)) = up {
        outcome = outcome.and(down_locked(context, old).await);
    }
    outcome
}

/// Runs a point and writes down where its result is; one that was interrupted is done again next time.
async fn one(
    context: &Context,
    sweep: &mut Sweep,
    index: usize,
    config: &Config,
    dir: &Path,
    mode: VerifyMode,
) -> Result<(), Error> {
    let Done {
        bench,
        dir: result,
        written,
    } = bench::bench(context, config, dir, verify_mode(config, mode)).await?;
    written?;
    if bench.interrupted {
        return Err(Error::Interrupted);
    }
    let name = result
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if let Some(point) = sweep.points.get_mut(index) {
        point.result = Some(name);
    }
    sweep.save(dir)
}
