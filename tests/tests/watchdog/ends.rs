//! Programs are asked to end, given time, and killed; what they leave behind is reaped.

use super::{
    GRACE, Watchdog, child_of, free_port, runs, script, start, start_by, terminate, until_over,
};
use anyhow::{Context, ensure};
use continuum_tests::process::{command, pause};
use std::{
    io::Read,
    path::Path,
    time::{Duration, Instant},
};

fn until_there(path: &Path, watchdog: &Watchdog) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !path.exists() {
        ensure!(
            begun.elapsed() < GRACE,
            "{} was not written: {}",
            path.display(),
            watchdog.said()
        );
        pause();
    }
    Ok(())
}

#[test]
fn a_server_is_asked_to_end_after_the_last_call() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (asked, done) = (dir.path().join("asked"), dir.path().join("done"));
    let (_file, line) = script(&format!(
        "trap 'echo > {}; sleep 0.5; echo > {}; exit 0' TERM\n\
         continuum-function serve sleep &\nwait",
        asked.display(),
        done.display()
    ))?;
    let upstream = format!("http://127.0.0.1:{}", free_port()?);
    let mut watchdog = start(&[
        ("mode", "http"),
        ("fprocess", &line),
        ("upstream_url", &upstream),
        ("write_timeout", "10s"),
    ])?;
    let mut call = watchdog.open("POST", "/", "{\"ms\":1500}")?;
    pause();
    watchdog.terminate()?;
    let mut answer = String::new();
    call.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    ensure!(!asked.exists(), "it was asked before the call was over");
    let status = watchdog.child.wait()?;
    ensure!(status.success() && asked.exists(), "{status}");
    ensure!(done.exists(), "it was given no time");
    Ok(())
}

#[test]
fn a_server_is_asked_when_its_calls_had_their_time_and_may_finish_them() -> anyhow::Result<()> {
    let upstream = format!("http://127.0.0.1:{}", free_port()?);
    let mut watchdog = start(&[
        ("mode", "http"),
        (
            "fprocess",
            "env write_timeout=20s continuum-function serve sleep",
        ),
        ("upstream_url", &upstream),
        ("write_timeout", "400ms"),
        ("kill_after", "10s"),
    ])?;
    let mut call = watchdog.open("POST", "/", "{\"ms\":2500}")?;
    pause();
    watchdog.terminate()?;
    let mut answer = String::new();
    call.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "{answer}: {}",
        watchdog.said()
    );
    let status = watchdog.child.wait()?;
    ensure!(
        status.success() && !watchdog.said().contains("killed"),
        "{status}: {}",
        watchdog.said()
    );
    Ok(())
}

#[test]
fn a_server_that_does_not_end_when_it_is_asked_is_killed() -> anyhow::Result<()> {
    let (_file, line) =
        script("trap '' TERM\ncontinuum-function serve sleep &\nwhile :; do sleep 68.125; done")?;
    let upstream = format!("http://127.0.0.1:{}", free_port()?);
    let mut watchdog = start(&[
        ("mode", "http"),
        ("fprocess", &line),
        ("upstream_url", &upstream),
        ("kill_after", "700ms"),
    ])?;
    let begun = Instant::now();
    watchdog.terminate()?;
    let status = watchdog.child.wait()?;
    let (took, said) = (begun.elapsed(), watchdog.said());
    ensure!(
        status.success() && said.contains("did not end within 700ms and was killed"),
        "{status}: {said}"
    );
    ensure!(
        (Duration::from_millis(700)..GRACE).contains(&took),
        "it took {took:?}"
    );
    until_over("68.125")
}

#[test]
fn a_program_that_takes_too_long_is_asked_and_then_killed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for mode in ["serializing", "streaming"] {
        let asked = dir.path().join(mode);
        let (_file, line) = script(&format!(
            "trap 'echo > {}; exit 0' TERM\nsleep 64.125 & wait",
            asked.display()
        ))?;
        let watchdog = start(&[
            ("fprocess", &line),
            ("mode", mode),
            ("exec_timeout", "400ms"),
        ])?;
        let answer = watchdog.get("/")?;
        ensure!(answer.starts_with("HTTP/1.1 504"), "{mode}: {answer}");
        until_there(&asked, &watchdog)?;
        until_over("64.125")?;
        // This one hears nothing, and neither does what it starts.
        let (_file, line) = script("trap '' TERM\nsleep 65.125")?;
        let watchdog = start(&[
            ("fprocess", &line),
            ("mode", mode),
            ("exec_timeout", "400ms"),
            ("kill_after", "700ms"),
            ("max_inflight", "1"),
        ])?;
        let answer = watchdog.get("/")?;
        ensure!(answer.starts_with("HTTP/1.1 504"), "{mode}: {answer}");
        ensure!(runs("65.125")?, "it was not given its time");
        // As long as it runs it is one of those in flight.
        let second = watchdog.get("/")?;
        ensure!(second.starts_with("HTTP/1.1 429"), "{mode}: {second}");
        until_over("65.125")?;
        ensure!(
            watchdog.said().contains("was killed"),
            "{mode}: {}",
            watchdog.said()
        );
    }
    Ok(())
}

#[test]
fn a_call_that_outlasts_the_end_is_asked_to_finish_and_answered() -> anyhow::Result<()> {
    // The first finishes when it is asked, the second does not.
    for (text, words) in [
        (
            "trap 'echo finished; exit 0' TERM\nsleep 66.125 & wait",
            ["HTTP/1.1 200", "finished"],
        ),
        (
            "trap '' TERM\nsleep 67.125",
            ["HTTP/1.1 503", "the function ends"],
        ),
    ] {
        let (_file, line) = script(text)?;
        let mut watchdog = start(&[
            ("fprocess", &line),
            ("write_timeout", "500ms"),
            ("kill_after", "700ms"),
        ])?;
        let mut call = watchdog.open("GET", "/", "")?;
        pause();
        let begun = Instant::now();
        watchdog.terminate()?;
        let mut answer = String::new();
        call.read_to_string(&mut answer)?;
        for word in words {
            ensure!(answer.contains(word), "`{word}` is not in {answer:?}");
        }
        let status = watchdog.child.wait()?;
        ensure!(
            status.success() && begun.elapsed() < GRACE,
            "{status} after {:?}",
            begun.elapsed()
        );
        until_over("66.125")?;
        until_over("67.125")?;
    }
    Ok(())
}

/// States of the children of a process.
fn children(parent: u32) -> anyhow::Result<String> {
    let mut states = String::new();
    for process in std::fs::read_dir("/proc")? {
        // Those that end while they are looked at are gone.
        let stat = std::fs::read_to_string(process?.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, b)| b).split(' ');
        let state = fields.next().unwrap_or_default();
        if fields.next() == Some(&*parent.to_string()) {
            states.push_str(state);
        }
    }
    Ok(states)
}

fn until_childless(pid: u32) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let left = children(pid)?;
        if left.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < GRACE, "children are `{left}`");
        pause();
    }
}

/// It leaves something behind, and ends.
const LEAVES_ONE: &str = "(sleep 0.2 >/dev/null 2>&1 &)\necho done";

#[test]
fn orphans_are_reaped() -> anyhow::Result<()> {
    let (_file, line) = script(LEAVES_ONE)?;
    for mode in ["serializing", "streaming"] {
        let watchdog = start(&[("fprocess", &line), ("mode", mode)])?;
        for _ in 0..20 {
            ensure!(watchdog.get("/")?.contains("done"));
        }
        ensure!(!children(watchdog.child.id())?.is_empty(), "there are none");
        until_childless(watchdog.child.id()).context(mode)?;
    }
    Ok(())
}

#[test]
fn the_first_process_of_a_container_reaps_and_ends_too() -> anyhow::Result<()> {
    let mut alone = vec!["unshare", "--fork", "--pid", "--kill-child", "--mount-proc"];
    if !rustix::process::geteuid().is_root() {
        alone.push("--map-root-user");
    }
    let can = command(alone[0]).args(&alone[1..]).arg("true").status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine gives no process namespace");
        return Ok(());
    }
    let (_file, line) = script(LEAVES_ONE)?;
    let mut watchdog = start_by(&alone, &[("fprocess", &line)])?;
    let first = child_of(watchdog.child.id())?;
    for _ in 0..20 {
        ensure!(watchdog.get("/")?.contains("done"));
    }
    ensure!(
        !children(first.cast_unsigned())?.is_empty(),
        "there are none"
    );
    until_childless(first.cast_unsigned())?;
    terminate(first)?;
    let status = watchdog.child.wait()?;
    ensure!(status.success(), "{status}: {}", watchdog.said());
    Ok(())
}
