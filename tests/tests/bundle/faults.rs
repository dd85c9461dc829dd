//! Runs that are lost, interrupted, killed, or cannot be written down.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_tests::{ctl::Ctl, results};
use rustix::process::Signal;
use std::time::{Duration, Instant};

fn endpoint_pid(fixture: &Fixture, node: &str) -> anyhow::Result<i32> {
    let info = fixture.ctl.json(0, &["agent", "local", node, "info"])?;
    Ok(info["pid"].as_i64().context("a pid")? as i32)
}

fn send(signal: Signal, pid: i32) -> anyhow::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid).context("a pid")?;
    rustix::process::kill_process(pid, signal).context("signal an agent")
}

/// A node that goes away ends the run: exit 6, named, what there was is kept.
pub(crate) fn lost_node() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let lost = endpoint_pid(&fixture, "endpoint1")?;
    let results = fixture.results("results").display().to_string();
    let mut bench = fixture.ctl.start(
        "bench",
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=120",
            "--results",
            &results,
        ],
    )?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    send(Signal::KILL, lost)?;
    let begun = Instant::now();
    ensure!(bench.wait(Duration::from_mins(1))? == 6, "{}", bench.said());
    eprintln!(
        "a lost node ended the run after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    ensure!(bench.said().contains("endpoint1"), "{}", bench.said());
    let dir = results::only_result(&fixture.results("results"))?;
    let result = results::json(&dir)?;
    ensure!(result["validity"] == "invalid", "{}", result["validity"]);
    let samples = std::fs::read_to_string(dir.join("samples.csv"))?;
    ensure!(
        samples.contains("endpoint0,") && samples.contains("endpoint3,"),
        "the others' samples are missing"
    );
    // The machine is as it was but for that node, and `up` brings it back.
    fixture
        .ctl
        .refused(5, &["bench", "local", "--results", &results])?;
    Ok(())
}

/// The first interrupt of a run keeps what there is, and says that it is no result.
pub(crate) fn interrupted_bench() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let results = fixture.results("results").display().to_string();
    let mut bench = fixture.ctl.start(
        "bench",
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=120",
            "--results",
            &results,
        ],
    )?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    bench.signal(Signal::INT)?;
    ensure!(
        bench.wait(Duration::from_secs(40))? == 130,
        "{}",
        bench.said()
    );
    let dir = results::only_result(&fixture.results("results"))?;
    let result = results::json(&dir)?;
    ensure!(
        result["validity"] == "invalid" && result["interrupted"] == true,
        "{}",
        result["invalid_reasons"]
    );
    let samples = std::fs::read_to_string(dir.join("samples.csv"))?;
    ensure!(
        samples.lines().count() > 5,
        "the samples so far are missing: {samples}"
    );
    // What was counted is what is there.
    let rows = results::rows(&dir, "samples.csv")?;
    let answered = rows
        .iter()
        .filter(|row| row.text("answered_endpoint_ns").is_ok_and(|at| at != "0"));
    let counted = |name: &str| result["counts"][name].as_u64();
    ensure!(
        counted("sent") == Some(rows.len() as u64)
            && counted("answered") == Some(answered.count() as u64),
        "{} and {} samples",
        result["counts"],
        rows.len()
    );
    Ok(())
}

/// What a killed controller left running does not disturb the next run.
pub(crate) fn killed_bench() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let first = fixture.results("first").display().to_string();
    let mut bench = fixture.ctl.start(
        "bench",
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=300",
            "--results",
            &first,
        ],
    )?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    bench.signal(Signal::KILL)?;
    bench.wait(Duration::from_secs(10)).ok();
    // Nothing that looks like a result.
    let left = std::fs::read_dir(fixture.results("first"))?.count();
    ensure!(left == 0, "{left} entries were left");
    let second = fixture.results("second").display().to_string();
    fixture.ctl.expect(
        0,
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=4",
            "--results",
            &second,
        ],
    )?;
    results::check(&results::only_result(&fixture.results("second"))?, 80)
}

/// Results that cannot be written are refused before anything runs.
pub(crate) fn unwritable_results() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let file = fixture.dir.path().join("file");
    std::fs::write(&file, "")?;
    let begun = Instant::now();
    let errors = fixture.ctl.refused(
        5,
        &["bench", "local", "--results", &file.display().to_string()],
    )?;
    ensure!(errors.contains("failed to create"), "{errors}");
    ensure!(begun.elapsed() < Duration::from_secs(10), "it ran first");
    Ok(())
}

/// What was measured is shown where it cannot be kept.
pub(crate) fn full_results() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    // The state stays where it is seen.
    let full = fixture.results("full");
    std::fs::create_dir(&full)?;
    let full = full.display().to_string();
    let small_disk = "mount -t tmpfs -o size=16k tmpfs \"$0\" && exec \"$@\"";
    let ctl = Ctl::new(fixture.ctl.state()).and_through(&["unshare", "-m", "sh", "-c", small_disk]);
    let ctl = ctl.and_through(&[&full]);
    let results = format!("{full}/results");
    let duration = "benchmark.duration_s=2";
    let arguments = ["bench", "local", "--set", duration, "--results", &results];
    let output = ctl.run(&arguments)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1),
        "{}\n{errors}",
        output.status
    );
    ensure!(errors.contains("No space left"), "{errors}");
    for part in ["ENDPOINT OUTPUT", "end_to_end_from_due", "validity:"] {
        ensure!(said.contains(part), "no {part:?} in {said}");
    }
    Ok(())
}

/// An agent that stands still until its connections are given up, as one in an overcommitted guest does, loses nothing.
pub(crate) fn stalled_agent() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let stalled = endpoint_pid(&fixture, "endpoint1")?;
    let results = fixture.results("results").display().to_string();
    let arguments = ["bench", "local", "--results", &results];
    let longer = ["--set", "benchmark.duration_s=35"];
    let mut bench = fixture
        .ctl
        .start("bench", &[&arguments[..], &longer].concat())?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    send(Signal::STOP, stalled)?;
    // More than the keep-alive's 20 s, less than the lease's 30 s.
    let too_early = bench.wait(Duration::from_secs(24)).is_ok();
    ensure!(!too_early, "{}", bench.said());
    send(Signal::CONT, stalled)?;
    ensure!(bench.wait(Duration::from_mins(1))? == 0, "{}", bench.said());
    let dir = results::only_result(&fixture.results("results"))?;
    results::check(&dir, 700)?;
    let result = results::json(&dir)?;
    let metrics = result["metrics"].as_array().context("metrics")?;
    ensure!(metrics.iter().all(|m| m["broken"].is_null()), "{metrics:?}");
    Ok(())
}

/// The broker of a node, which is a child of its agent.
fn broker_pid(fixture: &Fixture, node: &str) -> anyhow::Result<i32> {
    let agent = endpoint_pid(fixture, node)?.to_string();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if words.contains("broker {") && parent == Some(agent.as_str()) {
            let pid = entry.file_name();
            return pid.to_string_lossy().parse().context("a pid");
        }
    }
    anyhow::bail!("agent {agent} of {node} has no broker")
}

/// A broker that dies takes messages along that it has acknowledged; all photos are answered all the same.
pub(crate) fn killed_broker() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let results = fixture.results("results").display().to_string();
    let mut bench = fixture
        .ctl
        .start("bench", &["bench", "local", "--results", &results])?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    send(Signal::KILL, broker_pid(&fixture, "edge0")?)?;
    ensure!(bench.wait(Duration::from_mins(1))? == 0, "{}", bench.said());
    let dir = results::only_result(&fixture.results("results"))?;
    results::check(&dir, 200)?;
    let result = results::json(&dir)?;
    eprintln!("a killed broker: {}", result["counts"]);
    ensure!(
        result["counts"]["reconnects"].as_u64() >= Some(5),
        "{}",
        result["counts"]
    );
    let notes = result["notes"].to_string();
    ensure!(notes.contains("was made again"), "{notes}");
    Ok(())
}

/// A result without a single class is none, and says which files were no photos.
pub(crate) fn no_photos() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    let photos = fixture.dir.path().join("photos");
    std::fs::create_dir(&photos)?;
    std::fs::write(photos.join("a,b.jpg"), b"\x89PNG\r\n\x1a\n and more")?;
    let dataset = format!("benchmark.dataset={:?}", photos.display().to_string());
    let results = fixture.results("results").display().to_string();
    let duration = "benchmark.duration_s=2";
    let errors = fixture.ctl.refused(
        6,
        &[
            "bench",
            "local",
            "--set",
            &dataset,
            "--set",
            duration,
            "--results",
            &results,
        ],
    )?;
    ensure!(errors.contains("nothing was classified"), "{errors}");
    ensure!(
        errors.contains("`a,b.jpg`") && errors.contains("a PNG"),
        "{errors}"
    );
    Ok(())
}
