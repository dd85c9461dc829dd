//! Runs beside each other: what they were made with, and whether their results differ by more than chance.

mod page;
mod settings;

pub use settings::Setting;

use crate::{
    data_table::{NONE, number},
    group::{Group, Unit},
    read::RunFiles,
    statistics::{Bootstrap, Difference},
};
use continuum_host::error::Error;
use continuum_model::OF_TWO_CLOCKS;
use continuum_workload_core::stats::mean;
use serde::Serialize;
use std::{collections::BTreeSet, path::Path};

const SEED: u64 = 20_261_128;
const RESAMPLES: u32 = 10_000;

/// What two or more groups of runs have to say about each other.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Names of the groups; all are compared with the first.
    pub names: Vec<String>,
    /// How many runs each has.
    pub runs: Vec<usize>,
    /// What stands for a run where chance is looked at.
    units: Vec<Unit>,
    /// What they were made with, as far as it differs.
    pub settings: Vec<Setting>,
    bootstrap: Bootstrap,
    stages: Vec<StageComparison>,
    /// What a reader of it must know.
    pub notes: Vec<String>,
}

/// A stage in two groups.
#[derive(Debug, Serialize)]
struct StageComparison {
    stage: String,
    /// The group that is compared with the first.
    with: String,
    /// Means of the medians of runs, ms.
    first_ms: f64,
    other_ms: f64,
    /// `null` where chance cannot be told from it.
    difference_ms: Option<Difference>,
    /// So much of it may be due to clocks, ms.
    clock_error_ms: f64,
    is_significant: bool,
}

/// With its sign, unless it is too small to have one.
fn signed(ms: f64) -> String {
    if ms.abs() < 0.005 {
        return "0.00".into();
    }
    format!("{ms:+.2}")
}

/// In words, for who asks whether something has changed.
fn verdict(stage: &StageComparison) -> String {
    match &stage.difference_ms {
        None => "too few runs".into(),
        Some(_) if stage.is_significant => "yes".into(),
        Some(difference) if difference.is_significant() => "clocks?".into(),
        Some(_) => "no".into(),
    }
}

fn stages(groups: &[Group], bootstrap: Bootstrap) -> Vec<StageComparison> {
    let Some((first, others)) = groups.split_first() else {
        return Vec::new();
    };
    let mut stages = Vec::new();
    for other in others {
        for stage in stage_names(groups) {
            let (here, there) = (first.medians(stage), other.medians(stage));
            let (Some(first_ms), Some(other_ms)) = (mean(&here), mean(&there)) else {
                continue;
            };
            let difference = bootstrap.difference(&here, &there);
            let clock_error_ms = if OF_TWO_CLOCKS.contains(&stage) {
                first.clock_error_ms() + other.clock_error_ms()
            } else {
                0.0
            };
            let is_beyond_clocks = |d: &Difference| d.estimate.abs() > clock_error_ms;
            stages.push(StageComparison {
                stage: stage.to_owned(),
                with: other.name.clone(),
                first_ms,
                other_ms,
                difference_ms: difference,
                clock_error_ms,
                is_significant: difference
                    .is_some_and(|d| d.is_significant() && is_beyond_clocks(&d)),
            });
        }
    }
    stages
}

fn stage_names(groups: &[Group]) -> BTreeSet<&'static str> {
    let runs = groups.iter().flat_map(|group| &group.runs);
    runs.flat_map(RunFiles::stage_names).collect()
}

fn notes(groups: &[Group]) -> Vec<String> {
    let has_times = !stage_names(groups).is_empty();
    let mut notes = Vec::new();
    for group in groups {
        let invalid = group
            .runs
            .iter()
            .filter(|run| !run.result.invalid_reasons.is_empty());
        let invalid = invalid.count();
        if invalid > 0 {
            let all = group.runs.len();
            notes.push(format!(
                "{}: {invalid} of {all} runs are invalid and must not be used",
                group.name
            ));
        }
        if has_times && group.unit() == Unit::Slice {
            notes.push(format!(
                "{}: one run; its slices stand for runs, and say nothing about how runs differ from each other \
                 (`bench --repeat 5` does)",
                group.name
            ));
        }
    }
    notes
}

impl Comparison {
    /// Reads result directories, or directories of such, and compares all with the first.
    pub fn of(dirs: &[&Path]) -> Result<Self, Error> {
        let groups = dirs
            .iter()
            .map(|dir| Group::read(dir))
            .collect::<Result<Vec<_>, _>>()?;
        let comparisons = stage_names(&groups).len() * groups.len().saturating_sub(1);
        let bootstrap = Bootstrap {
            seed: SEED,
            resamples: RESAMPLES,
            comparisons: comparisons as u32,
        };
        Ok(Self {
            names: groups.iter().map(|group| group.name.clone()).collect(),
            runs: groups.iter().map(|group| group.runs.len()).collect(),
            units: groups.iter().map(Group::unit).collect(),
            settings: settings::differences(&groups),
            stages: stages(&groups, bootstrap),
            bootstrap,
            notes: notes(&groups),
        })
    }

    /// Columns of [`rows`](Self::rows).
    pub const COLUMNS: [&'static str; 6] = [
        "stage (ms)",
        "first",
        "other",
        "change",
        "interval",
        "significant",
    ];

    /// One row for each stage and each group but the first: medians in ms, averaged over runs.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.stages.iter().map(|stage| {
            let (difference, interval) = stage.difference_ms.map_or_else(
                || (signed(stage.other_ms - stage.first_ms), NONE.to_owned()),
                |d| {
                    (
                        signed(d.estimate),
                        format!("{} … {}", signed(d.interval.0), signed(d.interval.1)),
                    )
                },
            );
            let mut name = stage.stage.clone();
            if self.names.len() > 2 {
                name = format!("{name}, {}", stage.with);
            }
            vec![
                name,
                number(stage.first_ms),
                number(stage.other_ms),
                difference,
                interval,
                verdict(stage),
            ]
        });
        rows.collect()
    }

    /// How the intervals were found.
    pub fn method(&self) -> String {
        let Bootstrap {
            seed,
            resamples,
            comparisons,
        } = self.bootstrap;
        format!(
            "Medians of each run, averaged; intervals by a bootstrap of {resamples} resamples (seed {seed}), widened for few \
             runs and for {comparisons} comparisons, so that all of them together hold with 95 %. \"clocks?\": the \
             difference is not larger than the error of two clocks."
        )
    }

    /// In one sentence.
    pub fn conclusion(&self) -> String {
        let significant: Vec<&StageComparison> =
            self.stages.iter().filter(|s| s.is_significant).collect();
        if self.stages.is_empty() {
            return "there are no times to compare".into();
        }
        if significant.is_empty() {
            return "no significant difference".into();
        }
        let named = significant.iter().map(|stage| {
            let ms = stage.difference_ms.map_or(0.0, |d| d.estimate);
            let of = if self.names.len() > 2 {
                format!(" of {}", stage.with)
            } else {
                String::new()
            };
            format!("{}{of} {} ms", stage.stage, signed(ms))
        });
        format!("significant: {}", named.collect::<Vec<_>>().join(", "))
    }
}
