//! Whoever reads what a command prints goes away, or has no room for it.

use continuum_tests::{
    ctl::Ctl,
    lab::Lab,
    process::{command, pause, workspace_program},
};
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = command(workspace_program("continuum-ctl"))
        .args(["config", "options"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn screens_end_when_nobody_reads_them() {
    let lab = Lab::up().unwrap();
    let mut child = command(workspace_program("continuum-ctl"))
        .args(["status", "lab", "--watch"])
        .env("CONTINUUM_STATE", lab.ctl.state())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As `head -1` does.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let deadline = Instant::now() + SOON;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            break None;
        }
        pause();
    };
    let output = child.wait_with_output().unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "after `{line}`: {status:?}, {output:?}"
    );
}

#[test]
fn what_has_no_room_is_told_by_the_exit_code() {
    let lab = Lab::new().unwrap();
    for format in ["text", "json"] {
        let line = format!(
            "exec {} --format {format} config show {} > /dev/full",
            workspace_program("continuum-ctl").display(),
            lab.config
        );
        let script = lab.script("full", &line).unwrap();
        let output = command(script).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{format}: {errors}");
        assert!(
            errors.contains("write to standard output: No space left"),
            "{format}: {errors}"
        );
    }
}

#[test]
fn screens_are_no_json() {
    let lab = Lab::up().unwrap();
    let object = lab.ctl.json(3, &["status", "lab", "--watch"]).unwrap();
    let why = object["error"].as_str().unwrap();
    assert!(why.contains("--format json status lab"), "{why}");
    let none = Ctl::new(lab.path("none"));
    none.expect(1, &["status", "lab", "--watch"]).unwrap();
}
