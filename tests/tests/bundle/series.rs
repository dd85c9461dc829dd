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

/// Rates are tried on one deployment until the answer is known; what is there already is not run again.
pub(crate) fn rate() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let ctl = &fixture.ctl;
    let dir = fixture.results("rate");
    let to = dir.display().to_string();
    // Whatever this machine can do, a minute is enough for a photo and a microsecond is not.
    let search = |bound: &str, to: &str| {
        let mut words = vec![
            "rate",
            "examples/local.toml",
            bound,
            "--most",
            "4",
            "--results",
            to,
        ];
        for set in [
            "infrastructure.endpoint.nodes=1",
            "benchmark.frequency=2",
            "benchmark.duration_s=2",
        ] {
            words.extend(["--set", set]);
        }
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ctl.json(0, &words)
    };
    let rates = |object: &serde_json::Value| {
        let trials = object["search"]["trials"].as_array().into_iter().flatten();
        trials
            .filter_map(|trial| trial["rate_hz"].as_f64())
            .collect::<Vec<_>>()
    };
    let words = search("--p50-below=60s", &to);
    let high = run(&words)?;
    ensure!(rates(&high) == [2.0, 4.0], "{high}");
    ensure!(runs(&dir)?.len() == 2, "{:?}", runs(&dir)?);
    ensure!(dir.join("report.html").is_file(), "no page of the search");
    ensure!(rates(&run(&words)?) == [2.0, 4.0], "it was searched again");
    ensure!(runs(&dir)?.len() == 2, "{:?}", runs(&dir)?);
    let low = fixture.results("low").display().to_string();
    let low = run(&search("--p50-below=0.001ms", &low))?;
    ensure!(rates(&low) == [2.0, 1.0], "{low}");
    ensure!(
        ctl.expect(0, &["list"])?.contains("no deployments"),
        "something is still up"
    );
    let short = search("--p99-below=1s", &to);
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    let why = ctl.refused(5, &short)?;
    ensure!(why.contains("p99 takes 1000"), "{why}");
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
