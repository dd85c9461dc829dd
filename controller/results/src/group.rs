//! Runs that were made alike.

use crate::{
    rate_search::RATE_FILE,
    read::{RunFiles, directory_name, is_result},
    sweep::SWEEP_FILE,
};
use continuum_host::error::Error;
use continuum_workload_core::stats::quantile;
use std::path::{Path, PathBuf};

/// Slices of a single run that stand for runs: long enough that what one slice saw says little about the next.
const SLICES: usize = 20;

/// One run, or those that `bench --repeat` made.
#[derive(Debug)]
pub(crate) struct Group {
    /// Of its directory.
    pub(crate) name: String,
    pub(crate) runs: Vec<RunFiles>,
}

/// What stands for a run where chance is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Run,
    /// Of a single run.
    Slice,
}

/// Result directories directly below a directory, in the order of their names.
fn below(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut dirs = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::file("list", dir))? {
        let path = entry.map_err(Error::file("list", dir))?.path();
        let is_hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && is_result(&path) {
            dirs.push(path);
        }
    }
    dirs.sort();
    Ok(dirs)
}

/// Values of one slice of a run's time, of all endpoints.
fn slice(run: &RunFiles, stage: &str, number: usize) -> Vec<f64> {
    let of_all = run.stages.values().filter_map(|stages| stages.get(stage));
    let of_slice = of_all.flat_map(|values| {
        let edge = |number: usize| number * values.len() / SLICES;
        values
            .get(edge(number)..edge(number + 1))
            .unwrap_or_default()
    });
    of_slice.copied().collect()
}

impl Group {
    /// A result directory, or a directory of such.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        for (file, what) in [(SWEEP_FILE, "sweep"), (RATE_FILE, "search")] {
            if dir.join(file).is_file() {
                return Err(Error::Words {
                    doing: format!("take `{}` for runs of one thing", dir.display()),
                    why: format!(
                        "it is a {what}, whose runs differ; name two of the directories in it"
                    ),
                });
            }
        }
        let dirs = if is_result(dir) {
            vec![dir.to_owned()]
        } else {
            below(dir)?
        };
        if dirs.is_empty() {
            return Err(Error::Words {
                doing: format!("read results in `{}`", dir.display()),
                why: "there is no result.json in it, nor in a directory in it; name a directory that `bench` or `run` \
                      made"
                    .into(),
            });
        }
        let name = directory_name(dir);
        let runs = dirs
            .iter()
            .map(|dir| RunFiles::read(dir))
            .collect::<Result<_, _>>()?;
        Ok(Self { name, runs })
    }

    pub(crate) fn unit(&self) -> Unit {
        if self.runs.len() > 1 {
            Unit::Run
        } else {
            Unit::Slice
        }
    }

    /// Medians of a stage, ms: one of each run, or of each slice of a single one.
    pub(crate) fn medians(&self, stage: &str) -> Vec<f64> {
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            quantile(&values, 0.5)
        };
        match (self.unit(), self.runs.first()) {
            (Unit::Slice, Some(run)) => (0..SLICES)
                .filter_map(|n| median(slice(run, stage, n)))
                .collect(),
            _ => self
                .runs
                .iter()
                .filter_map(|run| median(run.stage(stage)))
                .collect(),
        }
    }

    /// How well the difference of two nodes' clocks is known, ms: the worst of all runs.
    pub(crate) fn clock_error_ms(&self) -> f64 {
        let pairs = self.runs.iter().flat_map(|run| {
            let of_one = run.result.runs.iter().filter_map(|row| {
                let error = |node: &str| {
                    run.result
                        .clocks
                        .get(node)
                        .map_or(0, |pair| pair.offset().error_ns)
                };
                Some(error(&row.node) + error(row.worker.as_deref()?))
            });
            of_one.collect::<Vec<i64>>()
        });
        pairs.max().unwrap_or(0) as f64 / 1e6
    }
}
