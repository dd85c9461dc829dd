//! Options as the watchdogs of OpenFaaS have them.

use super::{GRACE, free_port, script, start};
use anyhow::{Context, ensure};
use continuum_tests::process::{command, pause, workspace_program};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn a_variable_that_is_empty_is_not_set() -> anyhow::Result<()> {
    let empty = [
        "mode",
        "exec_timeout",
        "read_timeout",
        "max_inflight",
        "combine_output",
        "content_type",
        "log_buffer_size",
        "kill_after",
        "function_process",
        "static_path",
    ];
    let mut options = vec![("fprocess", "cat")];
    options.extend(empty.map(|name| (name, "")));
    let watchdog = start(&options)?;
    let answer = watchdog.ask("POST", "/", "said")?;
    ensure!(
        answer.contains("application/octet-stream") && answer.ends_with("said"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn options_in_vain_are_named_once() -> anyhow::Result<()> {
    let watchdog = start(&[
        ("fprocess", "cat"),
        ("write_debug", "true"),
        ("suppress_lock", "false"),
        ("marshal_request", "false"),
    ])?;
    let said = watchdog.said();
    ensure!(
        said.matches("write_debug").count() == 1 && said.contains("suppress_lock"),
        "{said}"
    );
    ensure!(!said.contains("marshal_request"), "{said}");
    Ok(())
}

/// What it says as it does not start.
fn refused(options: &[(&str, &str)]) -> anyhow::Result<String> {
    let output = command(workspace_program("continuum-watchdog"))
        .env("port", free_port()?.to_string())
        .envs(options.iter().copied())
        .output()?;
    ensure!(!output.status.success(), "{options:?} were taken");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() -> anyhow::Result<()> {
    for (options, word) in [
        (&[("fprocess", "cat"), ("jwt_auth", "true")][..], "jwt_auth"),
        (&[("fprocess", "cat"), ("mode", "afterburn")], "serializing"),
        (&[("fprocess", "cat"), ("exec_timeout", "soon")], "30s"),
        (
            &[("mode", "static"), ("static_path", "/no/such")],
            "/no/such",
        ),
        (&[], "fprocess"),
        (
            &[
                ("fprocess", "cat"),
                ("mode", "http"),
                ("upstream_url", "ftp://h/"),
            ],
            "ftp",
        ),
    ] {
        let said = refused(options)?;
        ensure!(said.contains(word), "`{word}` is not in: {said}");
    }
    Ok(())
}

#[test]
fn lines_of_programs_have_prefixes_and_lengths_if_that_is_asked() -> anyhow::Result<()> {
    let (_file, line) = script("echo 0123456789 >&2; echo last >&2; echo answer")?;
    let plain = start(&[("fprocess", &line)])?;
    ensure!(plain.get("/")?.contains("answer"));
    let said = plain.until_said("last")?;
    ensure!(said.lines().any(|l| l == "0123456789"), "{said}");
    let watchdog = start(&[
        ("fprocess", &line),
        ("prefix_logs", "true"),
        ("log_buffer_size", "6"),
    ])?;
    ensure!(watchdog.get("/")?.contains("answer"));
    let said = watchdog.until_said("stderr: last")?;
    let found: Vec<&str> = said.lines().filter(|l| l.contains(" stderr: ")).collect();
    ensure!(found.len() == 3, "{said}");
    ensure!(
        found[0].ends_with(" stderr: 012345") && found[1].ends_with(" stderr: 6789"),
        "{said}"
    );
    // 2026/01/31 12:00:00 stderr: …
    let (day, _) = found[0].split_once(' ').context("a day")?;
    ensure!(day.split('/').count() == 3, "{day}");
    Ok(())
}

#[test]
fn readiness_is_asked_of_the_function() -> anyhow::Result<()> {
    let (_file, line) = script("[ \"$Http_Path\" = /warm ] || exit 1; echo warm")?;
    let watchdog = start(&[("fprocess", &line), ("ready_path", "/warm")])?;
    let ready = watchdog.get("/_/ready")?;
    ensure!(
        ready.starts_with("HTTP/1.1 200") && ready.contains("warm"),
        "{ready}"
    );
    let watchdog = start(&[("fprocess", &line), ("ready_path", "/cold")])?;
    ensure!(watchdog.get("/_/ready")?.starts_with("HTTP/1.1 500"));
    ensure!(watchdog.get("/_/health")?.starts_with("HTTP/1.1 200"));
    let post = watchdog.ask("POST", "/_/ready", "")?;
    ensure!(post.starts_with("HTTP/1.1 405"), "{post}");
    // One that has as many calls as it takes gets no more.
    let (_file, line) = script("sleep 1")?;
    let watchdog = start(&[("fprocess", &line), ("max_inflight", "1")])?;
    let _call = watchdog.open("GET", "/", "")?;
    pause();
    ensure!(watchdog.get("/_/ready")?.starts_with("HTTP/1.1 429"));
    ensure!(watchdog.get("/_/health")?.starts_with("HTTP/1.1 200"));
    Ok(())
}

#[test]
fn files_are_served() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("index.html"), "<p>index")?;
    std::fs::create_dir(dir.path().join("sub"))?;
    std::fs::write(dir.path().join("sub/a.txt"), "text")?;
    let path = dir.path().display().to_string();
    let watchdog = start(&[("mode", "static"), ("static_path", &path)])?;
    for (path, status, word) in [
        ("/", "200", "<p>index"),
        ("/", "200", "text/html"),
        ("/sub/a.txt", "200", "text/plain"),
        ("/sub/b.txt", "404", ""),
        ("/../../../../etc/passwd", "404", ""),
    ] {
        let answer = watchdog.get(path)?;
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(word),
            "{path}: {answer}"
        );
    }
    Ok(())
}

#[test]
fn a_caller_may_ask_for_less_time_than_calls_have() -> anyhow::Result<()> {
    let (_file, line) = script("sleep 5")?;
    let watchdog = start(&[("fprocess", &line), ("exec_timeout", "10s")])?;
    let mut stream = TcpStream::connect(("127.0.0.1", watchdog.port))?;
    stream.set_read_timeout(Some(GRACE))?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-timeout: 300ms\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    Ok(())
}

#[test]
fn callers_come_by_ipv6_as_by_ipv4() -> anyhow::Result<()> {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return Ok(());
    }
    let watchdog = start(&[("fprocess", "cat")])?;
    let mut stream = TcpStream::connect(("::1", watchdog.port))?;
    stream.set_read_timeout(Some(GRACE))?;
    write!(
        stream,
        "GET /_/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}
