//! A connection that changes its protocol.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Longer than any of it takes.
const DEADLINE: Duration = Duration::from_secs(10);

fn read_until(stream: &mut TcpStream, ending: &str) -> anyhow::Result<String> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(ending) {
        let n = stream.read(&mut buffer).context("read")?;
        ensure!(n > 0, "it ended: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..n]);
    }
    Ok(String::from_utf8_lossy(&all).to_lowercase())
}

pub(crate) fn through(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("talker", &[])?;
    let listener = fixture.listening_replica("talker", "talker-1")?;
    let replica = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let request = read_until(&mut stream, "\r\n\r\n")?;
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
              sec-websocket-accept: x\r\n\r\nfirst",
        )?;
        let said = read_until(&mut stream, "question")?;
        stream.write_all(b"answer")?;
        // The caller goes away, and so does the gateway.
        let rest = stream.read(&mut [0; 16])?;
        anyhow::Ok((request, said, rest))
    });
    let mut caller = TcpStream::connect(&fixture.listen)?;
    caller.write_all(
        b"GET /function/talker/talk?a=1 HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\n\
          upgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n",
    )?;
    let head = read_until(&mut caller, "first")?;
    for word in [
        "http/1.1 101",
        "upgrade: websocket",
        "x-served-by: talker-1",
    ] {
        ensure!(head.contains(word), "`{word}` is not in {head}");
    }
    let metrics = fixture.get("/metrics")?.text();
    let line = r#"gateway_function_invocation_inflight{function_name="talker.openfaas-fn"} 1"#;
    ensure!(metrics.contains(line), "`{line}` is not in:\n{metrics}");
    caller.write_all(b"question")?;
    read_until(&mut caller, "answer")?;
    drop(caller);
    let ended = replica.join().map_err(|_| anyhow::anyhow!("no replica"))?;
    let (request, said, rest) = ended?;
    ensure!(
        request.contains("get /talk?a=1") && request.contains("upgrade: websocket"),
        "{request}"
    );
    ensure!(said == "question" && rest == 0, "{said}, {rest} bytes");
    Fixture::until("the call to be over", || {
        let over =
            r#"gateway_function_invocation_total{code="101",function_name="talker.openfaas-fn"} 1"#;
        Ok(fixture.get("/metrics")?.text().contains(over))
    })
}
