//! Result directories, checked against what is known about the photos.

use crate::ctl::source;
use anyhow::{Context, ensure};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
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

/// So many photos were answered, each with a class that counts as right; nothing else is wrong with the result.
pub fn check(dir: &Path, photos: usize) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(source().join("images/photos/labels.toml"))
        .context("read the labels")?;
    let labels: BTreeMap<String, Label> = toml::from_str(&text).context("parse the labels")?;
    ensure!(
        labels.values().filter(|l| l.certain).count() >= 4,
        "fewer than four certain labels"
    );
    let csv = std::fs::read_to_string(dir.join("samples.csv")).context("read samples.csv")?;
    let mut lines = csv.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| {
        columns
            .iter()
            .position(|c| *c == name)
            .with_context(|| format!("no column {name}"))
    };
    let (photo, class, answered) = (
        column("photo")?,
        column("class")?,
        column("answered_endpoint_ns")?,
    );
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    ensure!(
        rows.len() == photos,
        "{} samples instead of {photos}",
        rows.len()
    );
    for row in rows {
        let cell = |index: usize| row.get(index).copied().unwrap_or_default();
        let name = cell(photo).trim_end_matches(".jpg");
        let label = labels
            .get(name)
            .with_context(|| format!("photo {name} has no label"))?;
        let class: i32 = cell(class).parse().context("a class")?;
        ensure!(cell(answered) != "0", "a photo was not answered: {row:?}");
        ensure!(
            label.classes.contains(&class),
            "{name} was taken for class {class}"
        );
    }
    let result = json(dir)?;
    ensure!(
        result["validity"] == "unverified" && result["counts"]["lost"] == 0,
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
