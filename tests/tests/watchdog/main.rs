//! The watchdog as a process: programs per request, a server behind it, limits, and an end that loses no call.

mod ends;
mod options;
mod servers;

use anyhow::{Context, ensure};
use continuum_tests::process::{command, pause, workspace_program};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

struct Watchdog {
    child: Child,
    port: u16,
    log: tempfile::NamedTempFile,
}

const GRACE: Duration = Duration::from_secs(5);

impl Drop for Watchdog {
    fn drop(&mut self) {
        // What it started ends with it only if it can end it.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate().ok();
            let begun = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < GRACE {
                pause();
            }
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}

/// Started with these options, and healthy.
fn start(options: &[(&str, &str)]) -> anyhow::Result<Watchdog> {
    start_by(&[], options)
}

/// The same by another program.
fn start_by(by: &[&str], options: &[(&str, &str)]) -> anyhow::Result<Watchdog> {
    let watchdog = launch(by, options)?;
    let begun = Instant::now();
    while !watchdog
        .get("/_/health")
        .is_ok_and(|a| a.starts_with("HTTP/1.1 200"))
    {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{}",
            watchdog.said()
        );
        pause();
    }
    Ok(watchdog)
}

fn launch(by: &[&str], options: &[(&str, &str)]) -> anyhow::Result<Watchdog> {
    let port = free_port()?;
    let log = tempfile::NamedTempFile::new()?;
    // Programs of this workspace are found by their names.
    let path = workspace_program("continuum-watchdog");
    let dir = path.parent().context("a directory")?.display().to_string();
    let path = path.display().to_string();
    let line = [by, &[&*path]].concat();
    let child = command(line[0])
        .args(&line[1..])
        .env("port", port.to_string())
        .env("healthcheck_interval", "300ms")
        .env("write_timeout", "2s")
        .env("PATH", format!("{dir}:/usr/bin:/bin"))
        .envs(options.iter().copied())
        .stdin(Stdio::null())
        .stderr(log.reopen()?)
        .spawn()?;
    Ok(Watchdog { child, port, log })
}

impl Watchdog {
    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    fn open(&self, method: &str, path: &str, body: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(15)))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nx-own-header: 5\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        Ok(stream)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let mut answer = String::new();
        self.open(method, path, body)?
            .read_to_string(&mut answer)
            .context("read the answer")?;
        Ok(answer)
    }

    fn get(&self, path: &str) -> anyhow::Result<String> {
        self.ask("GET", path, "")
    }

    fn terminate(&self) -> anyhow::Result<()> {
        terminate(self.child.id().cast_signed())
    }

    fn until_said(&self, words: &str) -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            let said = self.said();
            if said.contains(words) {
                return Ok(said);
            }
            ensure!(begun.elapsed() < 2 * GRACE, "`{words}` is not in:\n{said}");
            pause();
        }
    }
}

fn terminate(pid: i32) -> anyhow::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid).context("a pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    Ok(())
}

/// A script, for which no shell is asked: the program is the shell itself.
fn script(text: &str) -> anyhow::Result<(tempfile::NamedTempFile, String)> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    let line = format!("sh {}", file.path().display());
    Ok((file, line))
}

#[test]
fn a_process_answers_each_call_in_both_modes() -> anyhow::Result<()> {
    for mode in ["serializing", "streaming"] {
        let cat = start(&[("fprocess", "cat"), ("mode", mode)])?;
        let answer = cat.ask("POST", "/", "what was said")?;
        ensure!(
            answer.starts_with("HTTP/1.1 200")
                && answer.contains("\r\n\r\n")
                && answer.contains("what was said"),
            "{answer}"
        );
        let large = "x".repeat(3 << 20);
        let answer = cat.ask("POST", "/", &large)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("a body")?;
        ensure!(body.len() >= large.len(), "{} bytes came back", body.len());
        ensure!(
            cat.said().contains("Forking fprocess - cat"),
            "{}",
            cat.said()
        );
        let line = format!("Wrote {} Bytes - Duration: ", "what was said".len());
        ensure!(cat.said().contains(&line), "{}", cat.said());
        let env = start(&[("fprocess", "env"), ("mode", mode)])?;
        let answer = env.ask("PUT", "/a/b?c=1", "123")?;
        for word in [
            "Http_Method=PUT",
            "Http_Path=/a/b",
            "Http_Query=c=1",
            "Http_X_Own_Header=5",
            "Http_ContentLength=3",
        ] {
            ensure!(answer.contains(word), "`{word}` is not in {answer}");
        }
    }
    Ok(())
}

#[test]
fn a_process_that_fails_or_takes_too_long_is_told() -> anyhow::Result<()> {
    for mode in ["serializing", "streaming"] {
        let failing = start(&[("fprocess", "false"), ("mode", mode)])?;
        let answer = failing.get("/")?;
        ensure!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        let missing = start(&[("fprocess", "no-such-program"), ("mode", mode)])?;
        let answer = missing.get("/")?;
        ensure!(
            answer.starts_with("HTTP/1.1 500") && answer.contains("no-such-program"),
            "{answer}"
        );
        // What it started ends with it.
        let (_file, line) = script("sleep 60 & sleep 60; echo late")?;
        let slow = start(&[
            ("fprocess", &line),
            ("mode", mode),
            ("exec_timeout", "700ms"),
        ])?;
        let begun = Instant::now();
        let answer = slow.get("/")?;
        ensure!(answer.starts_with("HTTP/1.1 504"), "{answer}");
        ensure!(begun.elapsed() < Duration::from_secs(10));
    }
    let (_file, line) = script("echo good; echo bad >&2")?;
    let both = start(&[("fprocess", &line), ("combine_output", "true")])?;
    let answer = both.get("/")?;
    ensure!(
        answer.contains("good") && answer.contains("bad"),
        "{answer}"
    );
    Ok(())
}

/// Any thread may have started it.
fn child_of(pid: u32) -> anyhow::Result<i32> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children"))?;
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.parse()?);
        }
    }
    anyhow::bail!("{pid} has no child")
}

#[test]
fn a_server_of_its_own_is_started_asked_and_started_again() -> anyhow::Result<()> {
    let upstream = format!("http://127.0.0.1:{}", free_port()?);
    let watchdog = start(&[
        ("mode", "http"),
        ("fprocess", "continuum-function serve fibonacci"),
        ("upstream_url", &upstream),
    ])?;
    let answer = watchdog.ask("POST", "/", "{\"n\":12}")?;
    ensure!(answer.contains("\"value\":144"), "{answer}");
    let answer = watchdog.ask("POST", "/", "{\"n\":\"many\"}")?;
    ensure!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("parameter n"),
        "{answer}"
    );
    // It dies; the watchdog says so and starts it again.
    let pid = child_of(watchdog.child.id())?;
    let pid = rustix::process::Pid::from_raw(pid).context("a child")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    watchdog.until_said("the program ended")?;
    let begun = Instant::now();
    loop {
        let answer = watchdog.ask("POST", "/", "{\"n\":12}")?;
        if answer.contains("\"value\":144") {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(20), "{answer}");
        pause();
    }
}

#[test]
fn more_calls_than_may_be_in_flight_are_sent_away() -> anyhow::Result<()> {
    let (_file, line) = script("sleep 1.5; echo done")?;
    let watchdog = start(&[("fprocess", &line), ("max_inflight", "1")])?;
    let mut first = watchdog.open("GET", "/", "")?;
    pause();
    let second = watchdog.get("/")?;
    ensure!(second.starts_with("HTTP/1.1 429"), "{second}");
    // Health is no call.
    ensure!(watchdog.get("/_/health")?.starts_with("HTTP/1.1 200"));
    let mut answer = String::new();
    first.read_to_string(&mut answer)?;
    ensure!(answer.contains("done"), "{answer}");
    Ok(())
}

/// Whether a program that was started with this argument still runs.
fn runs(argument: &str) -> anyhow::Result<bool> {
    for process in std::fs::read_dir("/proc")? {
        // Those that end while they are looked at do not run.
        let line = std::fs::read(process?.path().join("cmdline")).unwrap_or_default();
        if line.split(|b| *b == 0).any(|w| w == argument.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn until_over(argument: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while runs(argument)? {
        ensure!(begun.elapsed() < GRACE, "sleep {argument} still runs");
        pause();
    }
    Ok(())
}

#[test]
fn what_a_call_started_ends_with_it() -> anyhow::Result<()> {
    // The first leaves its leader behind; the second has said something, and says no more.
    for (mode, argument, text) in [
        ("serializing", "61.125", "sleep 61.125 & sleep 61.125"),
        ("serializing", "62.125", "sleep 62.125 &"),
        ("streaming", "63.125", "echo begun; sleep 63.125"),
    ] {
        let (_file, line) = script(text)?;
        let watchdog = start(&[("fprocess", &line), ("mode", mode)])?;
        let call = watchdog.open("GET", "/", "")?;
        let begun = Instant::now();
        while !runs(argument)? {
            ensure!(begun.elapsed() < GRACE, "{text} did not start");
            pause();
        }
        drop(call);
        until_over(argument).with_context(|| format!("{mode}: {text}"))?;
    }
    Ok(())
}

#[test]
fn a_body_that_stops_is_no_call_for_ever() -> anyhow::Result<()> {
    for mode in ["serializing", "streaming"] {
        let options = [
            ("fprocess", "wc -c"),
            ("mode", mode),
            ("read_timeout", "400ms"),
        ];
        stops(&start(&options)?).with_context(|| mode.to_owned())?;
    }
    // It has answered with what came when no more does: the answer does not end well.
    let cat = start(&[
        ("fprocess", "cat"),
        ("mode", "streaming"),
        ("read_timeout", "400ms"),
    ])?;
    let mut stream = half(&cat)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.contains("half") && !answer.ends_with("0\r\n\r\n"),
        "{answer:?}"
    );
    Ok(())
}

/// A request that stops in the middle of its body.
fn half(watchdog: &Watchdog) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", watchdog.port))?;
    stream.set_read_timeout(Some(GRACE))?;
    stream.write_all(
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf",
    )?;
    Ok(stream)
}

fn stops(watchdog: &Watchdog) -> anyhow::Result<()> {
    let mut answer = String::new();
    half(watchdog)?.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    Ok(())
}

#[test]
fn a_call_is_in_flight_until_its_answer_has_ended() -> anyhow::Result<()> {
    let (_file, line) = script("echo begun; sleep 1; echo done")?;
    let watchdog = start(&[
        ("fprocess", &line),
        ("mode", "streaming"),
        ("max_inflight", "1"),
    ])?;
    let mut first = watchdog.open("GET", "/", "")?;
    // Its headers are there, its end is not.
    let mut begin = [0; 12];
    first.read_exact(&mut begin)?;
    ensure!(begin.starts_with(b"HTTP/1.1 200"), "{begin:?}");
    let second = watchdog.get("/")?;
    ensure!(second.starts_with("HTTP/1.1 429"), "{second}");
    let mut rest = String::new();
    first.read_to_string(&mut rest)?;
    ensure!(rest.contains("done"), "{rest}");
    ensure!(watchdog.get("/")?.contains("done"));
    Ok(())
}

#[test]
fn a_server_behind_it_may_not_take_longer_than_a_call_may() -> anyhow::Result<()> {
    let upstream = format!("http://127.0.0.1:{}", free_port()?);
    let watchdog = start(&[
        ("mode", "http"),
        // Its own limit is another.
        (
            "fprocess",
            "env exec_timeout=60s continuum-function serve sleep",
        ),
        ("upstream_url", &upstream),
        ("exec_timeout", "500ms"),
        ("read_timeout", "400ms"),
    ])?;
    let answer = watchdog.ask("POST", "/", "{\"ms\":5000}")?;
    ensure!(
        answer.starts_with("HTTP/1.1 504") && answer.contains("longer than 500ms"),
        "{answer}"
    );
    stops(&watchdog)
}

#[test]
fn an_end_loses_no_call() -> anyhow::Result<()> {
    let (_file, line) = script("sleep 1; echo done")?;
    let mut watchdog = start(&[("fprocess", &line)])?;
    let mut first = watchdog.open("GET", "/", "")?;
    pause();
    watchdog.terminate()?;
    pause();
    // Not everyone has heard of it: who asks whether it is healthy does, who calls is served.
    ensure!(watchdog.get("/_/health")?.starts_with("HTTP/1.1 503"));
    let late = watchdog.get("/")?;
    ensure!(late.contains("done"), "{late}");
    let mut answer = String::new();
    first.read_to_string(&mut answer)?;
    ensure!(answer.contains("done"), "{answer}");
    let status = watchdog.child.wait()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[test]
fn functions_run_natively_and_say_what_they_did() -> anyhow::Result<()> {
    let run = |arguments: &[&str]| {
        let output = command(workspace_program("continuum-function"))
            .args(arguments)
            .output()?;
        anyhow::Ok((output.status.success(), output.stdout, output.stderr))
    };
    let (is_good, out, log) = run(&["run", "matrix", "{\"size\":3}"])?;
    let line: serde_json::Value = serde_json::from_slice(&out)?;
    ensure!(
        is_good && line["result"]["trace"] == 6.0 && line["duration_ns"].as_u64() > Some(0),
        "{line}"
    );
    ensure!(out == log, "the log is the same line");
    let (is_good, _, errors) = run(&["run", "nothing", "{}"])?;
    let errors = String::from_utf8_lossy(&errors).into_owned();
    ensure!(!is_good && errors.contains("fibonacci, matrix"), "{errors}");
    let (_, list, _) = run(&["list"])?;
    ensure!(String::from_utf8_lossy(&list).lines().count() == 5);
    Ok(())
}
