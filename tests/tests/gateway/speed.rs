//! Measurements, beside a floor of the same run; no tests. `make bench-gateway` asks for them.

use crate::{
    cluster::{Daemon, daemon, free_port},
    fixture::Fixture,
    function::{closure, text},
};
use anyhow::{Context, ensure};
use bytes::Bytes;
use continuum_tests::process::{command, pause};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

const PER_SECOND: u32 = 1000;
const SECONDS: u32 = 10;
/// The one core of what is measured; load and function have the other ones.
const CORE: &str = "0";

/// Medians and 99th percentiles, microseconds, of calls that are made when they are due.
fn load(fixture: &Fixture, url: &str) -> anyhow::Result<(f64, f64)> {
    let mut times = fixture.runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let start = tokio::time::Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for id in 0..PER_SECOND * SECONDS {
            tokio::time::sleep_until(start + Duration::from_secs(1) * id / PER_SECOND).await;
            let (client, url) = (client.clone(), url.to_owned());
            calls.spawn(async move {
                let begun = Instant::now();
                let request = Request::post(url).body(Full::new(Bytes::from_static(b"hello")))?;
                let response = client.request(request).await?;
                ensure!(response.status().is_success(), "{}", response.status());
                response.into_body().collect().await?;
                anyhow::Ok(begun.elapsed().as_secs_f64() * 1e6)
            });
        }
        calls
            .join_all()
            .await
            .into_iter()
            .collect::<Result<Vec<f64>, _>>()
    })?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Ok((at(0.5), at(0.99)))
}

/// A plain reverse proxy by Debian's nginx.
fn nginx(fixture: &Fixture, function: &str) -> anyhow::Result<(Daemon, String)> {
    let dir = fixture.dir.path().join("nginx");
    std::fs::create_dir_all(&dir)?;
    let port = free_port()?;
    let at = dir.display();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\nevents {{ worker_connections 4096; }}\n\
         http {{\n access_log off;\n client_body_temp_path {at}/body;\n proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/f;\n uwsgi_temp_path {at}/u;\n scgi_temp_path {at}/s;\n\
         upstream function {{ server {function}; keepalive 256; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://function; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; }} }}\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), config)?;
    let conf = dir.join("nginx.conf").display().to_string();
    let arguments = [
        "-c",
        CORE,
        "nginx",
        "-p",
        &dir.display().to_string(),
        "-c",
        &conf,
    ]
    .map(str::to_owned);
    let server = daemon(Path::new("taskset"), &arguments, &[], &dir.join("log"))?;
    let address = format!("127.0.0.1:{port}");
    Fixture::until("nginx to listen", || {
        Ok(TcpStream::connect(&address).is_ok())
    })?;
    Ok((server, address))
}

fn pin(pid: u32) -> anyhow::Result<()> {
    let pid = pid.to_string();
    let pinned = command("taskset")
        .args(["-a", "-p", "-c", CORE, &pid])
        .stdout(Stdio::null())
        .status()?;
    ensure!(pinned.success(), "pin {pid}");
    Ok(())
}

/// What a gateway costs a call, beside a plain proxy.
pub(crate) fn gateway(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("trivial", &[])?;
    let _replica = fixture.replica("trivial", "trivial-1", closure(|_, _| text("hi")))?;
    let function = fixture.function_address("trivial")?;
    let (_nginx, address) = nginx(fixture, &function)?;
    pin(fixture.gateway_pid().context("a gateway")?)?;
    for round in 0..3 {
        let bare = load(fixture, &format!("http://{function}/"))?;
        let floor = load(fixture, &format!("http://{address}/"))?;
        let ours = load(
            fixture,
            &format!("http://{}/function/trivial", fixture.listen),
        )?;
        eprintln!(
            "round {round}: {PER_SECOND} calls/s for {SECONDS} s, p50 and p99 in us: function {:.0} {:.0}, nginx {:.0} {:.0}, \
             gateway {:.0} {:.0}; gateway adds {:.2} ms at p99 to the function, {:.2} ms more than nginx",
            bare.0,
            bare.1,
            floor.0,
            floor.1,
            ours.0,
            ours.1,
            (ours.1 - bare.1) / 1e3,
            (ours.1 - floor.1) / 1e3
        );
    }
    Ok(())
}

/// Programs of the guest's kind: optimised.
pub(crate) fn release(name: &str) -> anyhow::Result<PathBuf> {
    let cache = continuum_tests::skip::cache()?;
    let pointer = cache
        .find("binaries/current-static")
        .context("image build makes them")?;
    let key = std::fs::read_to_string(&pointer)?;
    Ok(pointer.with_file_name(key.trim()).join(name))
}

const PROGRAM: &str = "/bin/true";
const TIMES: u32 = 500;

/// A process per call, beside starting the same program with the same pipes and waiting for it.
pub(crate) fn watchdog(_world: &Fixture) -> anyhow::Result<()> {
    let port = free_port()?;
    let log = tempfile::NamedTempFile::new()?;
    let environment = [("port", port.to_string()), ("fprocess", PROGRAM.to_owned())];
    let arguments = [
        "-c",
        CORE,
        &release("continuum-watchdog")?.display().to_string(),
    ]
    .map(str::to_owned);
    let _watchdog = daemon(Path::new("taskset"), &arguments, &environment, log.path())?;
    Fixture::until("the watchdog to listen", || {
        Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
    })?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    for round in 0..3 {
        let begun = Instant::now();
        for _ in 0..TIMES {
            let mut child = command(PROGRAM)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            drop(child.stdin.take());
            let mut out = Vec::new();
            child
                .stdout
                .take()
                .context("output")?
                .read_to_end(&mut out)?;
            child.wait()?;
        }
        let floor = begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
        pause();
        let begun = Instant::now();
        for _ in 0..TIMES {
            stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")?;
            let n = stream.read(&mut buffer)?;
            ensure!(
                buffer[..n].starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&buffer[..n])
            );
        }
        let ours = begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
        eprintln!(
            "round {round}: {TIMES} calls of {PROGRAM}: fork and exec {floor:.0} us, through the watchdog {ours:.0} us, ratio {:.2}",
            ours / floor
        );
    }
    Ok(())
}
