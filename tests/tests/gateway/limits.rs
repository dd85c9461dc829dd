//! Callers that ask too much.

use crate::{
    fixture::Fixture,
    function::{closure, text},
};
use anyhow::{Context, ensure};
use http::StatusCode;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

pub(crate) fn bodies(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("eater", &[])?;
    let _replica = fixture.replica(
        "eater",
        "eater-1",
        closure(|_, body| text(body.len().to_string())),
    )?;
    let most = fixture.post("/function/eater", vec![0; 2_000_000])?;
    ensure!(
        most.status == StatusCode::OK && most.text() == "2000000",
        "{}",
        most.text()
    );
    let announced = fixture.post("/function/eater", vec![0; 2_000_001])?;
    ensure!(
        announced.status == StatusCode::PAYLOAD_TOO_LARGE,
        "{announced:?}"
    );
    // One that does not say how long it will be.
    let mut stream = TcpStream::connect(&fixture.listen)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(
        b"POST /function/eater HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let piece = [
        format!("{:x}\r\n", 1 << 20).as_bytes(),
        &vec![b'x'; 1 << 20],
        b"\r\n",
    ]
    .concat();
    for _ in 0..3 {
        // It may be refused in the middle.
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    ensure!(
        head(&mut stream)?.contains(" 413 "),
        "a long body in pieces was taken"
    );
    // One who begins and says no more.
    let mut stream = TcpStream::connect(&fixture.listen)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream
        .write_all(b"POST /function/eater HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")?;
    let begun = Instant::now();
    let answer = head(&mut stream)?;
    ensure!(answer.contains(" 408 "), "{answer}");
    ensure!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}

fn head(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer).context("an answer")?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    number.context("its memory")
}

pub(crate) fn connections(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("open", &[])?;
    let _replica = fixture.replica("open", "open-1", closure(|_, _| text("here")))?;
    let pid = fixture.gateway_pid().context("a gateway")?;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.current.is_some_and(|most| most < 6000) {
        let raised = rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;
        // The gateway has the limit that it was started with.
        fixture.start_gateway(&["--read-timeout=30s"])?;
    }
    let pid = fixture.gateway_pid().unwrap_or(pid);
    let before = resident_kib(pid)?;
    let mut all = Vec::new();
    for index in 0..5000 {
        let mut stream =
            TcpStream::connect(&fixture.listen).with_context(|| format!("connection {index}"))?;
        stream.write_all(b"POST /function/open HTTP/1.1\r\nhost: x\r\n")?;
        all.push(stream);
    }
    let answer = fixture.get("/function/open")?;
    ensure!(answer.text() == "here", "{answer:?}");
    let after = resident_kib(pid)?;
    eprintln!("5000 connections: {before} KiB resident before, {after} with them");
    ensure!(after < before + 200 * 1024, "{before} KiB became {after}");
    drop(all);
    ensure!(fixture.get("/function/open")?.text() == "here");
    fixture.start_gateway(&[])
}
