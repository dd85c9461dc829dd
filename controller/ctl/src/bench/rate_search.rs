//! Runs at one rate after the other on one deployment, until the highest is known that keeps a bound.

use super::lifecycle::{Done, bench};
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, progress::note};
use continuum_model::{END_TO_END, Report, Validity, VerifyMode};
use continuum_plan::applications::PhotoLoad;
use continuum_results::{Next, Percentile, RateGoal, RateSearch, Series, Trial};
use std::path::Path;

/// What a user asks for.
#[derive(Debug, Clone, Copy)]
pub struct RateBound {
    pub percentile: Percentile,
    pub below_ms: f64,
    pub precision_percent: f64,
    /// Not above this rate.
    pub most_hz: f64,
}

/// What can be searched with a config; refused where its runs are too short for the percentile.
pub fn rate_goal(config: &Config, bound: RateBound) -> Result<RateGoal, Error> {
    let refused = |why: String| Error::Preflight {
        name: config.name.clone(),
        reasons: vec![why],
    };
    let load = PhotoLoad::of(config).ok_or_else(|| {
        refused("only application image_classification has a rate to be searched".to_owned())
    })?;
    let RateBound {
        percentile,
        below_ms,
        precision_percent,
        most_hz,
    } = bound;
    let (least, name) = (percentile.least_values(), percentile.name());
    let counted = load.counted(load.rate_hz);
    if counted < least {
        let longer_s = (load.duration_s * least as f64 / counted.max(1) as f64).ceil() + 1.0;
        return Err(refused(format!(
            "a run of {} s has {counted} photos that count, and {name} takes {least}: give --set \
             benchmark.duration_s={longer_s}, begin at a higher rate (benchmark.frequency), or bound a lower percentile \
             (--p90-below)",
            load.duration_s
        )));
    }
    let most_hz = most_hz.min(load.most_hz());
    if load.rate_hz > most_hz {
        return Err(refused(format!(
            "benchmark.frequency, at which the search begins, is {}, and it may go to {most_hz} only",
            load.rate_hz
        )));
    }
    Ok(RateGoal {
        percentile,
        below_ms,
        precision_percent,
        first_hz: load.rate_hz,
        least_hz: load.least_hz(least).min(load.rate_hz),
        most_hz,
    })
}

/// What a run says of its rate. Too few answers keep no bound.
fn trial(goal: &RateGoal, rate_hz: f64, report: &Report, result: String) -> Trial {
    let all = report.stages.get(END_TO_END);
    let value_ms = all.and_then(|all| goal.percentile.of(all));
    Trial {
        rate_hz,
        result,
        validity: report.validity,
        answered: all.map_or(0, |all| all.count),
        p50_ms: all.map(|all| all.p50_ms),
        value_ms,
        is_met: value_ms.is_some_and(|ms| ms < goal.below_ms),
    }
}

/// Goes on until the rate is found. What is done is written down after each run; one that was interrupted is run again
/// next time.
pub async fn search_rate(
    context: &Context,
    config: &Config,
    search: &mut RateSearch,
    dir: &Path,
    mode: VerifyMode,
) -> Result<(), Error> {
    while let Next::Try(rate_hz) = search.next() {
        let number = search.trials.len() + 1;
        note(&format!(
            "run {number}: {rate_hz} photos a second of each endpoint"
        ));
        let config = PhotoLoad::at_rate(config, rate_hz);
        let Done {
            bench,
            dir: result,
            written,
        } = bench(context, &config, dir, mode).await?;
        written?;
        if bench.interrupted {
            return Err(Error::Interrupted);
        }
        let name = result.file_name().unwrap_or_default().to_string_lossy();
        let trial = trial(&search.goal, rate_hz, &bench.report, name.into_owned());
        if trial.is_met && trial.validity == Validity::Invalid {
            // Its rate may be fine, and whatever went wrong would go wrong at others.
            return Err(Error::InvalidResult {
                reasons: bench.report.invalid,
            });
        }
        let verdict = if trial.is_met { "met" } else { "missed" };
        let value = trial.value_ms.map(|ms| format!(", {ms:.2} ms"));
        note(&format!(
            "run {number}: {verdict}{}",
            value.unwrap_or_default()
        ));
        search.trials.push(trial);
        search.save(dir)?;
    }
    Ok(())
}
