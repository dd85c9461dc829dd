//! More than one run: repeated, swept, carried elsewhere.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_tests::results;
use std::path::{Path, PathBuf};

/// Result directories directly below a directory.
fn runs(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    let dirs = entries.flatten().map(|entry| entry.path());
    Ok(dirs
        .filter(|dir| dir.join("result.json").is_file())
        .collect())
}

/// Three runs on one deployment have a directory together, with a summary and a page.
pub(crate) fn repeated_runs() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let ctl = &fixture.ctl;
    let results = fixture.results("results");
    let to = results.display().to_string();
    ctl.expect(0, &["up", "examples/empty.toml"])?;
    ctl.expect(0, &["bench", "empty", "--repeat", "3", "--results", &to])?;
    ctl.expect(0, &["down", "empty"])?;
    let series = std::fs::read_dir(&results)?.flatten().next();
    let series = series.context("a directory of the series")?.path();
    ensure!(runs(&series)?.len() == 3, "{:?}", runs(&series)?);
    let text = std::fs::read_to_string(series.join("summary.json"))?;
    let summary: serde_json::Value = serde_json::from_str(&text)?;
    ensure!(
        summary["runs"]
            .as_array()
            .is_some_and(|runs| runs.len() == 3),
        "{summary}"
    );
    ensure!(
        series.join("report.html").is_file(),
        "no page of the series"
    );
    Ok(())
}

/// Every combination runs once, whatever ended the command before.
pub(crate) fn sweep() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let ctl = &fixture.ctl;
    let dir = fixture.results("sweep");
    let to = dir.display().to_string();
    let words = [
        "sweep",
        "examples/empty.toml",
        "--vary",
        "infrastructure.endpoint.nodes=1,2",
        "--vary",
        "benchmark.sleep_time_s=0.1,0.2",
        "--results",
        &to,
    ];
    let object = ctl.json(0, &words)?;
    ensure!(
        object["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() == 4),
        "{object}"
    );
    ensure!(runs(&dir)?.len() == 4, "{:?}", runs(&dir)?);
    // As if it had been interrupted before the last one was written down.
    let path = dir.join("sweep.json");
    let mut sweep: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    sweep["points"][3]["result"] = serde_json::Value::Null;
    std::fs::write(&path, sweep.to_string())?;
    ctl.expect(0, &words)?;
    ensure!(runs(&dir)?.len() == 5, "{:?}", runs(&dir)?);
    ensure!(
        ctl.expect(0, &["list"])?.contains("no deployments"),
        "something is still up"
    );
    let other = words.map(|word| word.replace("0.1,0.2", "0.1,0.3"));
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    let why = ctl.refused(3, &other)?;
    ensure!(why.contains("another --results"), "{why}");
    Ok(())
}

/// A result goes into an archive, and the same run is made again from nothing else.
pub(crate) fn archive() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let ctl = &fixture.ctl;
    let results = fixture.results("results");
    let to = results.display().to_string();
    ctl.expect(0, &["run", "examples/empty.toml", "--results", &to])?;
    let result = results::only_result(&results)?.display().to_string();
    let archive = fixture.results("empty.tar.gz").display().to_string();
    ctl.expect(0, &["bundle", &result, &archive])?;
    let elsewhere = fixture.results("elsewhere").display().to_string();
    let text = ctl.expect(0, &["repeat", &archive, "--results", &elsewhere])?;
    for part in [
        "made with the same config, machines, software and host",
        "there are no times to compare",
    ] {
        ensure!(text.contains(part), "no `{part}` in\n{text}");
    }
    Ok(())
}
