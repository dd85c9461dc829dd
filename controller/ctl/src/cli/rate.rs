//! `rate`: the highest rate whose latency stays below a bound.

use super::{
    Given, find_config,
    lifecycle::{UpOptions, down_locked, up_locked, verify_mode},
    output::{Output, warn},
};
use crate::{
    bench::{RateBound, rate_goal, search_rate},
    report::Place,
};
use clap::Args;
use continuum_config::{Config, to_toml};
use continuum_host::{context::Context, error::Error, progress::note, state::Deployment};
use continuum_model::VerifyMode;
use continuum_provider::Allow;
use continuum_results::{Next, Percentile, RateSearch, Series};
use serde_json::json;
use std::path::{Path, PathBuf};

// A doc comment here would replace what `--help` says of the command.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
#[expect(clippy::struct_field_names, reason = "each is an option as typed")]
pub(crate) struct BoundArguments {
    /// The 99th percentile of the latency from due is to be below this; takes 1000 photos in a run
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    p99_below: Option<f64>,
    /// Likewise the 95th; takes 200
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    p95_below: Option<f64>,
    /// Likewise the 90th
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    p90_below: Option<f64>,
    /// Likewise the median
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    p50_below: Option<f64>,
}

impl BoundArguments {
    fn bound(&self) -> Option<(Percentile, f64)> {
        let all = [
            (Percentile::P99, self.p99_below),
            (Percentile::P95, self.p95_below),
            (Percentile::P90, self.p90_below),
            (Percentile::P50, self.p50_below),
        ];
        all.into_iter()
            .find_map(|(percentile, below_ms)| Some((percentile, below_ms?)))
    }
}

/// A time with its unit, as typed.
fn milliseconds(text: &str) -> Result<f64, String> {
    let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1000.0),
        (None, None) => return Err("a time has its unit, as in 500ms or 1.5s".to_owned()),
    };
    let number: Result<f64, _> = number.trim().parse();
    match number {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number * factor),
        _ => Err("it is to be a number above 0 with its unit, as in 500ms or 1.5s".to_owned()),
    }
}

/// A number above zero, as typed.
fn positive(text: &str) -> Result<f64, String> {
    let number: Result<f64, _> = text.parse();
    let number = number.ok().filter(|n| *n > 0.0 && n.is_finite());
    number.ok_or_else(|| "it is to be a number above 0".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    bound: BoundArguments,
    /// How far the rate that misses may be above the one that does not, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = positive)]
    precision: f64,
    /// Highest rate to try, photos a second of each endpoint
    #[arg(long, value_name = "RATE", default_value_t = 1000.0, value_parser = positive)]
    most: f64,
    /// Where its results go, and are looked for when it goes on; `results/rate_NAME` when none is given
    #[arg(long)]
    results: Option<PathBuf>,
}

pub(super) async fn rate(
    context: &Context,
    output: &Output,
    given: Given<'_>,
    wanted: SearchArguments,
    allow: Allow,
    mode: VerifyMode,
) -> Result<(), Error> {
    let checked = find_config(context, given)?;
    warn(&checked.warnings);
    let config = &checked.config;
    let Some((percentile, below_ms)) = wanted.bound.bound() else {
        return Ok(());
    };
    let bound = RateBound {
        percentile,
        below_ms,
        precision_percent: wanted.precision,
        most_hz: wanted.most,
    };
    let goal = rate_goal(config, bound)?;
    let usual = || Path::new("results").join(format!("rate_{}", config.name));
    let dir = wanted.results.unwrap_or_else(usual);
    let mut search = RateSearch::new(&to_toml(config), goal).resume(&dir)?;
    Place::look(&dir, &config.name)?;
    search.save(&dir)?;
    if !search.trials.is_empty() {
        note(&format!("{} runs are done already", search.trials.len()));
    }
    let searched = match search.next() {
        Next::Try(_) => on_machines(context, config, &mut search, &dir, allow, mode).await,
        _ => Ok(()),
    };
    context.progress.finish();
    if search.trials.is_empty() {
        return searched;
    }
    search.write_page(&dir)?;
    let (columns, rows) = (search.columns(), search.rows());
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    output.table(&names, rows.clone());
    output.text(&search.conclusion());
    output.places(&dir);
    output.json(&json!({
        "search": search,
        "conclusion": search.conclusion(),
        "columns": columns,
        "rows": rows,
        "results": dir.display().to_string(),
    }));
    searched
}

/// Searches on a deployment that is up already, or that is made for it and removed.
async fn on_machines(
    context: &Context,
    config: &Config,
    search: &mut RateSearch,
    dir: &Path,
    allow: Allow,
    mode: VerifyMode,
) -> Result<(), Error> {
    let existed = Deployment::load(&context.root, &config.name)?.is_some();
    let options = UpOptions {
        rollback: true,
        allow,
        ..UpOptions::default()
    };
    up_locked(context, config, options).await?;
    let mode = verify_mode(config, mode);
    let searched = search_rate(context, config, search, dir, mode).await;
    let removed = if existed {
        Ok(())
    } else {
        down_locked(context, config).await
    };
    searched.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        let read = |text| milliseconds(text).map(|ms| (ms * 1000.0).round() as i64);
        assert_eq!(read("500ms"), Ok(500_000));
        assert_eq!(read("1.5s"), Ok(1_500_000));
        assert_eq!(read("0.25 ms"), Ok(250));
        for bad in ["500", "ms", "-1ms", "0s", "NaNs", "infs", "1m", ""] {
            let refused = read(bad).unwrap_err();
            assert!(refused.contains("as in 500ms or 1.5s"), "{bad}: {refused}");
        }
    }
}
