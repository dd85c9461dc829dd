//! A server behind the watchdog: what it is asked, when it is ready, and what happens when it is none.

use super::{GRACE, Watchdog, free_port, launch, script, start};
use anyhow::{Context, ensure};
use continuum_tests::{process::pause, tls_server};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    time::{Duration, Instant},
};

/// One that answers each request with what it read; a WebSocket is told back what it says.
fn mirror() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || reflect(stream));
        }
    });
    Ok(format!("http://{address}"))
}

fn read_until(stream: &mut TcpStream, ending: &str) -> anyhow::Result<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(ending) {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "it ended: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..n]);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

fn reflect(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut request = read_until(&mut stream, "\r\n\r\n")?.to_lowercase();
    if request.contains("upgrade: websocket") {
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n",
        )?;
        let mut buffer = [0; 4096];
        loop {
            let n = stream.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            stream.write_all(&[b"back: ", &buffer[..n]].concat())?;
        }
    }
    // As servers do that know no chunks.
    let length = request
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.lines().next()?.parse().ok())
        .unwrap_or(0);
    let have = request.split_once("\r\n\r\n").map_or(0, |(_, b)| b.len());
    let mut rest = vec![0; usize::saturating_sub(length, have)];
    stream.read_exact(&mut rest)?;
    request.push_str(&String::from_utf8_lossy(&rest));
    let size = request.len();
    let many: Vec<_> = (0..300).map(|i| format!("x-{i}: v\r\n")).collect();
    let many = if request.starts_with("get /many") {
        many.concat()
    } else {
        String::new()
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\n{many}connection: close\r\ncontent-length: {size}\r\n\r\n{request}"
    )?;
    // An answer is lost that ends before everything was read.
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    Ok(())
}

/// A watchdog before such a server.
fn before_mirror(path: &str, options: &[(&str, &str)]) -> anyhow::Result<Watchdog> {
    let upstream = mirror()? + path;
    let mut all = vec![
        ("mode", "http"),
        ("fprocess", "sleep 600"),
        ("upstream_url", &*upstream),
    ];
    all.extend_from_slice(options);
    start(&all)
}

/// A body in chunks.
fn in_chunks(watchdog: &Watchdog) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", watchdog.port))?;
    stream.set_read_timeout(Some(GRACE))?;
    stream.write_all(
        b"POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    stream.write_all(b"5\r\nfirst\r\n7\r\n second\r\n0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_body_that_is_buffered_has_a_length() -> anyhow::Result<()> {
    for name in ["http_buffer_req_body", "buffer_http"] {
        let answer = in_chunks(&before_mirror("", &[(name, "true")])?)?;
        let (_, seen) = answer.split_once("\r\n\r\n").context("an answer")?;
        ensure!(
            seen.contains("content-length: 12")
                && !seen.contains("chunked")
                && seen.ends_with("first second"),
            "{name}: {answer}"
        );
    }
    let answer = in_chunks(&before_mirror("", &[])?)?;
    ensure!(answer.contains("transfer-encoding: chunked"), "{answer}");
    Ok(())
}

#[test]
fn paths_of_calls_are_behind_that_of_the_server() -> anyhow::Result<()> {
    let watchdog = before_mirror("/base/", &[])?;
    let answer = watchdog.get("/a%20b?c=1")?;
    ensure!(answer.contains("get /base/a%20b?c=1 http/1.1"), "{answer}");
    Ok(())
}

#[test]
fn an_answer_may_have_hundreds_of_headers() -> anyhow::Result<()> {
    let answer = before_mirror("", &[])?.get("/many")?;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nx-299: v\r\n"),
        "{answer}"
    );
    Ok(())
}

fn upgrade(port: u16) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(GRACE))?;
    stream.write_all(
        b"GET /talk HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n",
    )?;
    Ok(stream)
}

#[test]
fn a_websocket_goes_through_both_ways_beyond_the_time_of_calls() -> anyhow::Result<()> {
    let options = [("exec_timeout", "500ms"), ("max_inflight", "1")];
    let mut watchdog = before_mirror("", &options)?;
    let mut stream = upgrade(watchdog.port)?;
    let head = read_until(&mut stream, "\r\n\r\n")?.to_lowercase();
    for word in [
        "http/1.1 101",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: x",
    ] {
        ensure!(head.contains(word), "`{word}` is not in {head}");
    }
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes())?;
        read_until(&mut stream, &format!("back: {word}"))?;
        // It may last longer than a call, and is one of those in flight.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            pause();
        }
    }
    let second = watchdog.get("/")?;
    ensure!(second.starts_with("HTTP/1.1 429"), "{second}");
    // One that says nothing does not hold up the end.
    let begun = Instant::now();
    watchdog.terminate()?;
    let rest = stream.read(&mut [0; 16]).unwrap_or(0);
    ensure!(rest == 0, "{rest} bytes after the end");
    let status = watchdog.child.wait()?;
    ensure!(
        status.success() && begun.elapsed() < GRACE,
        "{status} after {:?}: {}",
        begun.elapsed(),
        watchdog.said()
    );
    Ok(())
}

#[test]
fn another_protocol_is_not_offered() -> anyhow::Result<()> {
    let watchdog = before_mirror("", &[])?;
    let mut stream = TcpStream::connect(("127.0.0.1", watchdog.port))?;
    stream.set_read_timeout(Some(GRACE))?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n")?;
    let answer = read_until(&mut stream, "get / http/1.1")?;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("h2c"),
        "{answer}"
    );
    Ok(())
}

#[test]
fn a_server_that_goes_to_the_background_is_ready_by_its_port_and_told_once() -> anyhow::Result<()> {
    let upstream = format!("http://127.0.0.1:{}", free_port()?);
    let (_file, line) = script("continuum-function serve fibonacci &\nexit 0")?;
    let mut watchdog = start(&[
        ("mode", "http"),
        ("fprocess", &line),
        ("upstream_url", &upstream),
    ])?;
    let begun = Instant::now();
    watchdog.until_said("went to the background")?;
    while begun.elapsed() < Duration::from_secs(3) {
        let answer = watchdog.ask("POST", "/", "{\"n\":12}")?;
        ensure!(answer.contains("\"value\":144"), "{answer}");
        ensure!(watchdog.get("/_/ready")?.starts_with("HTTP/1.1 200"));
        pause();
    }
    let told = watchdog.said().matches("the foreground").count();
    ensure!(told == 1, "told {told} times: {}", watchdog.said());
    // It ends with the watchdog all the same.
    let address = upstream.trim_start_matches("http://").to_owned();
    watchdog.terminate()?;
    watchdog.child.wait()?;
    ensure!(TcpStream::connect(address).is_err(), "it still listens");
    Ok(())
}

#[test]
fn a_server_that_listens_elsewhere_is_told_once() -> anyhow::Result<()> {
    let elsewhere = format!("http://127.0.0.1:{}", free_port()?);
    let watchdog = launch(
        &[],
        &[
            ("mode", "http"),
            ("fprocess", "sleep 600"),
            ("upstream_url", &elsewhere),
        ],
    )?;
    watchdog.until_said("upstream_url must say where it listens")?;
    for (path, status) in [("/_/health", "503"), ("/_/ready", "503"), ("/", "502")] {
        let answer = watchdog.get(path)?;
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
    }
    // It is ready as soon as something does.
    let address = elsewhere.trim_start_matches("http://");
    let _listener = TcpListener::bind(address)?;
    let begun = Instant::now();
    while !watchdog.get("/_/ready")?.starts_with("HTTP/1.1 200") {
        ensure!(begun.elapsed() < GRACE, "{}", watchdog.said());
        pause();
    }
    let told = watchdog.said().matches("nothing listens at").count();
    ensure!(told == 1, "told {told} times: {}", watchdog.said());
    Ok(())
}

/// One that speaks TLS, with the file of its certificate.
fn secured() -> anyhow::Result<(u16, tempfile::NamedTempFile)> {
    let answer = |_request: &str| "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret".to_owned();
    let (address, certificate) = tls_server::start(Ipv4Addr::LOCALHOST.into(), answer)?;
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(certificate.as_bytes())?;
    Ok((address.port(), file))
}

#[test]
fn a_server_behind_tls_is_called_if_its_certificate_is_believed() -> anyhow::Result<()> {
    let (port, certificate) = secured()?;
    let upstream = format!("https://127.0.0.1:{port}");
    let path = certificate.path().display().to_string();
    let mut options = vec![
        ("mode", "http"),
        ("fprocess", "sleep 600"),
        ("upstream_url", &*upstream),
    ];
    let doubting = start(&options)?;
    let answer = doubting.get("/")?;
    ensure!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("certificate"),
        "{answer}"
    );
    options.push(("SSL_CERT_FILE", &path));
    let answer = start(&options)?.get("/")?;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("secret"),
        "{answer}"
    );
    Ok(())
}
