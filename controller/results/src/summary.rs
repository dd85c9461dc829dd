//! Runs of one thing, repeated: mean, spread and interval over runs.

use crate::{
    data_table::{DataTable, NONE, number, optional},
    group::Group,
    page::{Badge, List, PAGE_FILE, Page, Section},
    read::directory_name,
    statistics::Spread,
    whole::write_whole,
};
use continuum_host::error::Error;
use serde::Serialize;
use std::path::Path;

/// Version of `summary.json`.
const SCHEMA_VERSION: u32 = 1;
/// The summary of a directory of results.
pub const SUMMARY_FILE: &str = "summary.json";

/// What runs of one thing have in common.
#[derive(Debug, Serialize)]
pub struct Summary {
    schema: u32,
    /// Directories of the runs, in order.
    runs: Vec<RunVerdict>,
    stages: Vec<StageSpread>,
}

#[derive(Debug, Serialize)]
struct RunVerdict {
    name: String,
    validity: continuum_model::Validity,
    invalid_reasons: Vec<String>,
}

/// One percentile of one stage over runs.
#[derive(Debug, Serialize)]
struct StageSpread {
    stage: String,
    /// `p50`, `p95`, `p99`.
    percentile: &'static str,
    /// One of each run, ms.
    values_ms: Vec<f64>,
    spread_ms: Spread,
}

fn spreads(group: &Group) -> Vec<StageSpread> {
    let mut spreads = Vec::new();
    let names = group
        .runs
        .iter()
        .flat_map(|run| run.result.stages_ms.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    for stage in names {
        let rows: Vec<_> = group
            .runs
            .iter()
            .filter_map(|run| run.result.stages_ms.get(stage))
            .collect();
        let percentiles = [
            (
                "p50",
                rows.iter()
                    .map(|row| Some(row.p50_ms))
                    .collect::<Option<Vec<f64>>>(),
            ),
            ("p95", rows.iter().map(|row| row.p95_ms()).collect()),
            ("p99", rows.iter().map(|row| row.p99_ms()).collect()),
        ];
        for (percentile, values) in percentiles {
            let Some((values_ms, spread_ms)) =
                values.and_then(|v| Some((v.clone(), Spread::of(&v)?)))
            else {
                continue;
            };
            spreads.push(StageSpread {
                stage: stage.clone(),
                percentile,
                values_ms,
                spread_ms,
            });
        }
    }
    spreads
}

impl Summary {
    /// Of all results directly below a directory.
    pub fn of(dir: &Path) -> Result<Self, Error> {
        let group = Group::read(dir)?;
        let runs = group.runs.iter().map(|run| RunVerdict {
            name: run.name.clone(),
            validity: run.result.validity,
            invalid_reasons: run.result.invalid_reasons.clone(),
        });
        Ok(Self {
            schema: SCHEMA_VERSION,
            runs: runs.collect(),
            stages: spreads(&group),
        })
    }

    /// Columns of [`rows`](Self::rows).
    pub const COLUMNS: [&'static str; 7] = [
        "stage (ms)",
        "of runs",
        "mean",
        "stdev",
        "least",
        "most",
        "95 % interval",
    ];

    /// One row for each stage and each percentile that every run has.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.stages.iter().map(|stage| {
            let s = &stage.spread_ms;
            let interval = s
                .interval_95
                .map(|(from, to)| format!("{} … {}", number(from), number(to)));
            vec![
                stage.stage.clone(),
                stage.percentile.to_owned(),
                number(s.mean),
                optional(s.stdev),
                number(s.least),
                number(s.most),
                interval.unwrap_or_else(|| NONE.to_owned()),
            ]
        });
        rows.collect()
    }

    /// Runs that must not be used, with their reasons.
    pub fn invalid(&self) -> Vec<String> {
        let invalid = self
            .runs
            .iter()
            .filter(|run| !run.invalid_reasons.is_empty());
        invalid
            .map(|run| format!("{}: {}", run.name, run.invalid_reasons.join("; ")))
            .collect()
    }

    fn page(&self, title: String) -> Result<String, Error> {
        let mut table = DataTable::new("Percentiles of each run, over runs", &Self::COLUMNS);
        table.rows = self.rows();
        table.note = "Percentiles of single runs are averaged here as independent values, to see how runs differ; the interval \
                      is Student's, for the mean of all such runs."
            .into();
        let mut single = DataTable::new("Single runs (ms)", &["stage", "of"]);
        single
            .columns
            .extend(self.runs.iter().map(|run| run.name.clone()));
        for stage in &self.stages {
            let head = [stage.stage.clone(), stage.percentile.to_owned()];
            single.row(
                head.into_iter()
                    .chain(stage.values_ms.iter().map(|ms| number(*ms))),
            );
        }
        let invalid = self.invalid();
        let all = self.runs.len();
        let (class, meaning) = match invalid.len() {
            0 => ("unverified", "None is invalid.".to_owned()),
            some => (
                "invalid",
                format!("{some} of them are invalid: do not use this summary."),
            ),
        };
        let lists = Vec::from_iter((!invalid.is_empty()).then_some(List {
            title: "Reasons against it",
            items: invalid,
        }));
        let page = Page {
            title,
            subtitle: String::new(),
            badge: Badge {
                class,
                word: format!("{all} runs."),
                meaning,
            },
            tiles: Vec::new(),
            sections: vec![Section {
                id: "runs",
                title: "Over runs",
                lists,
                tables: vec![table, single],
                ..Section::default()
            }],
        };
        page.render()
    }

    /// Writes `summary.json` and the page of a directory of results.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(Error::encode("the summary"))?;
        write_whole(&dir.join(SUMMARY_FILE), &text)?;
        write_whole(&dir.join(PAGE_FILE), &self.page(directory_name(dir))?)
    }
}
