//! The highest rate whose latency stays below a bound: which rate is tried next by what came of those before, in a file from
//! which a search that was interrupted goes on.
//!
//! ```text
//! first ─ met ──> twice as high … ─┐
//!       └ missed > half … ─────────┴─> between the highest met and the lowest missed, until they are close
//! ```

mod page;
mod percentile;

pub use percentile::Percentile;

use crate::{
    data_table::{number, optional},
    figures::Named,
    page::PAGE_FILE,
    series::Series,
    whole::write_whole,
};
use continuum_host::error::Error;
use continuum_model::Validity;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of `rate.json`.
const SCHEMA_VERSION: u32 = 1;
/// What a search has done.
pub const RATE_FILE: &str = "rate.json";

/// What is searched, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateGoal {
    pub percentile: Percentile,
    /// Of the latency from due.
    pub below_ms: f64,
    /// The lowest rate that misses is at most so much above the highest that does not.
    pub precision_percent: f64,
    /// Photos a second of each endpoint: what is tried first, and what is not gone below and above.
    pub first_hz: f64,
    pub least_hz: f64,
    pub most_hz: f64,
}

/// A rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Photos a second of each endpoint.
    pub rate_hz: f64,
    /// Directory of its result, relative to the search's.
    pub result: String,
    pub validity: Validity,
    /// Photos that were answered and count.
    pub answered: u64,
    pub p50_ms: Option<f64>,
    /// The percentile that is searched for; `None` of too few answers.
    pub value_ms: Option<f64>,
    pub is_met: bool,
}

/// The file of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateSearch {
    schema: u32,
    /// What everything was made from.
    config: String,
    pub goal: RateGoal,
    /// In the order in which they were tried.
    pub trials: Vec<Trial>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    Try(f64),
    /// Between these: the highest that was met, the lowest that was missed.
    Found {
        met_hz: f64,
        missed_hz: f64,
    },
    /// Even the lowest was missed.
    AllMissed {
        least_hz: f64,
    },
    /// Even the highest was met.
    AllMet {
        most_hz: f64,
    },
}

/// Three digits: more would be told by chance.
fn round(rate_hz: f64) -> f64 {
    let factor = 10_f64.powf(2.0 - rate_hz.log10().floor());
    (rate_hz * factor).round() / factor
}

impl Series for RateSearch {
    const FILE: &'static str = RATE_FILE;
    const NAME: &'static str = "search";
    const OTHER: &'static str = "another config, bound or precision";

    fn is_same(&self, other: &Self) -> bool {
        (self.schema, &self.config, &self.goal) == (other.schema, &other.config, &other.goal)
    }
}

impl RateSearch {
    /// Of a config as text, with nothing tried.
    pub fn new(config: &str, goal: RateGoal) -> Self {
        Self {
            schema: SCHEMA_VERSION,
            config: config.to_owned(),
            goal,
            trials: Vec::new(),
        }
    }

    /// By what was tried until now.
    pub fn next(&self) -> Next {
        let RateGoal {
            precision_percent,
            first_hz,
            least_hz,
            most_hz,
            ..
        } = self.goal;
        let of = |is_met: bool| {
            let trials = self.trials.iter().filter(move |t| t.is_met == is_met);
            trials.map(|trial| trial.rate_hz)
        };
        let met = of(true).max_by(f64::total_cmp);
        let missed = of(false).min_by(f64::total_cmp);
        match (met, missed) {
            (None, None) => Next::Try(first_hz),
            (Some(met_hz), None) if met_hz >= most_hz => Next::AllMet { most_hz },
            (Some(met_hz), None) => Next::Try((met_hz * 2.0).min(most_hz)),
            (None, Some(missed_hz)) if missed_hz <= least_hz => Next::AllMissed { least_hz },
            (None, Some(missed_hz)) => Next::Try(round(missed_hz / 2.0).max(least_hz)),
            (Some(met_hz), Some(missed_hz)) => {
                // Halves what they are apart by as a ratio, which is what the precision is about.
                let middle_hz = round((met_hz * missed_hz).sqrt());
                let is_between = met_hz < middle_hz && middle_hz < missed_hz;
                let is_close = missed_hz <= met_hz * (1.0 + precision_percent / 100.0);
                if is_close || !is_between {
                    Next::Found { met_hz, missed_hz }
                } else {
                    Next::Try(middle_hz)
                }
            }
        }
    }

    /// What came of it, in words.
    pub fn conclusion(&self) -> String {
        let RateGoal {
            percentile,
            below_ms,
            ..
        } = &self.goal;
        let bound = format!("{} below {} ms", percentile.name(), number(*below_ms));
        let runs = match self.trials.len() {
            1 => "1 run".to_owned(),
            some => format!("{some} runs, each rate tried once"),
        };
        match self.next() {
            Next::Found { met_hz, missed_hz } => {
                let apart_percent = (missed_hz / met_hz - 1.0) * 100.0;
                format!(
                    "highest rate with {bound}: {met_hz} photos a second of each endpoint; {missed_hz} misses it, so it is known \
                     within {apart_percent:.1} % ({runs})"
                )
            }
            Next::AllMissed { least_hz } => format!(
                "no rate with {bound} was found: {least_hz} photos a second of each endpoint miss it, and fewer are too few for \
                 {} in one run ({runs}); make benchmark.duration_s longer to look below",
                percentile.name()
            ),
            Next::AllMet { most_hz } => format!(
                "even {most_hz} photos a second of each endpoint keep {bound} ({runs}); --most looks above"
            ),
            Next::Try(rate_hz) => {
                format!("not finished after {runs}: {rate_hz} photos a second are next")
            }
        }
    }

    /// Columns of [`rows`](Self::rows); times are of the latency from due.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = vec!["rate (1/s)".to_owned(), "answered".to_owned()];
        let median = Percentile::P50;
        if self.goal.percentile != median {
            columns.push(format!("{} (ms)", median.name()));
        }
        let bound = number(self.goal.below_ms);
        columns.push(format!("{} (ms)", self.goal.percentile.name()));
        columns.push(format!("below {bound}"));
        columns.push("validity".to_owned());
        columns
    }

    /// Each rate that was tried, lowest first.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut trials: Vec<&Trial> = self.trials.iter().collect();
        trials.sort_by(|a, b| a.rate_hz.total_cmp(&b.rate_hz));
        let row = |trial: &&Trial| {
            let mut row = vec![trial.rate_hz.to_string(), trial.answered.to_string()];
            if self.goal.percentile != Percentile::P50 {
                row.push(optional(trial.p50_ms));
            }
            row.push(optional(trial.value_ms));
            row.push(if trial.is_met { "yes" } else { "no" }.to_owned());
            row.push(trial.validity.loud_name().to_owned());
            row
        };
        trials.iter().map(row).collect()
    }

    /// The figure of what was tried.
    pub(crate) fn figure(&self) -> Result<Option<Named>, Error> {
        page::figure(self)
    }

    /// Writes the page of what was tried.
    pub fn write_page(&self, dir: &Path) -> Result<(), Error> {
        write_whole(&dir.join(PAGE_FILE), &page::page(self)?.render()?)
    }
}

#[cfg(test)]
mod tests;
