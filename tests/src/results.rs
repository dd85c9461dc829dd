//! Result directories, checked against what is known about the photos.

use crate::ctl::source;
use anyhow::{Context, ensure};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

#[derive(serde::Deserialize)]
struct Label {
    classes: Vec<i32>,
    certain: bool,
}

/// The one result directory below `results`.
pub fn only_result(results: &Path) -> anyhow::Result<PathBuf> {
    let dirs: Vec<_> = std::fs::read_dir(results)
        .with_context(|| format!("list {}", results.display()))?
        .flatten()
        .collect();
    ensure!(
        dirs.len() == 1,
        "{} result directories instead of one: {dirs:?}",
        dirs.len()
    );
    dirs.first()
        .map(std::fs::DirEntry::path)
        .context("a result directory")
}

/// `result.json` of a result directory.
pub fn json(dir: &Path) -> anyhow::Result<serde_json::Value> {
    let bytes = std::fs::read(dir.join("result.json")).context("read result.json")?;
    serde_json::from_slice(&bytes).context("parse result.json")
}

/// A file of raw results: rows by the names of their columns.
pub fn rows(dir: &Path, file: &str) -> anyhow::Result<Vec<Row>> {
    let mut reader =
        csv::Reader::from_path(dir.join(file)).with_context(|| format!("read {file}"))?;
    let rows = reader.deserialize().map(|row| Ok(Row(row?)));
    rows.collect()
}

/// One line of a file of raw results.
#[derive(Debug)]
pub struct Row(BTreeMap<String, String>);

impl Row {
    pub fn text(&self, column: &str) -> anyhow::Result<&str> {
        let cell = self.0.get(column).map(String::as_str);
        cell.with_context(|| format!("no column {column} in {self:?}"))
    }

    /// A cell that is a number.
    pub fn number<T: FromStr>(&self, column: &str) -> anyhow::Result<T> {
        let cell = self.text(column)?;
        cell.parse()
            .ok()
            .with_context(|| format!("{column} is `{cell}`, which is no number, in {self:?}"))
    }
}

/// So many photos were answered, each with a class that counts as right; nothing else is wrong with the result.
pub fn check(dir: &Path, photos: usize) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(source().join("images/photos/labels.toml"))
        .context("read the labels")?;
    let labels: BTreeMap<String, Label> = toml::from_str(&text).context("parse the labels")?;
    ensure!(
        labels.values().filter(|l| l.certain).count() >= 4,
        "fewer than four certain labels"
    );
    let rows = rows(dir, "samples.csv")?;
    ensure!(
        rows.len() == photos,
        "{} samples instead of {photos}",
        rows.len()
    );
    for row in rows {
        let name = row.text("photo")?.trim_end_matches(".jpg");
        let label = labels
            .get(name)
            .with_context(|| format!("photo {name} has no label"))?;
        let class: i32 = row.number("class")?;
        ensure!(
            row.text("answered_endpoint_ns")? != "0",
            "a photo was not answered: {row:?}"
        );
        ensure!(
            label.classes.contains(&class),
            "{name} was taken for class {class}"
        );
    }
    let result = json(dir)?;
    ensure!(
        result["validity"] != "invalid" && result["counts"]["lost"] == 0,
        "{}: {} {}",
        result["validity"],
        result["counts"],
        result["invalid_reasons"]
    );
    for file in [
        "workers.csv",
        "endpoints.csv",
        "metrics.csv",
        "events.csv",
        "logs/output.log",
    ] {
        // A run of endpoints alone has no workers.
        let is_there = dir.join(file).exists()
            || (file == "workers.csv"
                && result["config"]["software"]["resource_manager"] == "none");
        ensure!(is_there, "{file} is missing");
    }
    Ok(())
}
