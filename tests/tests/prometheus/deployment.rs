//! A deployment of agents on loopback, as Prometheus sees it.

use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, Running},
    prometheus::{Prometheus, complaints, expressions},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(30);
const CONFIG: &str = "[infrastructure]\nprovider = \"local\"\n[infrastructure.endpoint]\nnodes = 2\ncores = 1\n\
                      memory_mib = 256\n[software]\nresource_manager = \"none\"\nobservability = \"host\"\n[benchmark]\n\
                      application = \"empty\"\nsleep_time_s = 8\n";

/// Two agents, and a dashboard of them.
struct Fixture {
    dashboard: Running,
    address: String,
    /// What `up` said is for Prometheus.
    targets: PathBuf,
    ctl: Ctl,
    // Dropped last: `down` needs it.
    dir: tempfile::TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.dashboard.signal(Signal::INT).ok();
        self.dashboard.wait(SOON).ok();
    }
}

impl Fixture {
    fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("a directory")?;
        let ctl = Ctl::new(dir.path().join("state"));
        let config = dir.path().join("lab.toml");
        std::fs::write(&config, CONFIG).context("write a config")?;
        let up = ctl.json(0, &["up", &config.display().to_string()])?;
        let targets = up["prometheus"].as_str().context("a file of targets")?;
        let arguments = ["dashboard", "lab", "--address", "127.0.0.1:0"];
        let mut dashboard = ctl.start("dashboard", &arguments)?;
        dashboard.wait_for(" until interrupted", SOON)?;
        let said = dashboard.said();
        let url = said
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"));
        let address = url.context("no address in what it said")?;
        Ok(Self {
            dashboard,
            address: address.trim_end_matches('/').to_owned(),
            targets: targets.into(),
            ctl,
            dir,
        })
    }

    fn scrape(&self) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(SOON))?;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        ensure!(
            !head.to_lowercase().contains("transfer-encoding: chunked"),
            "{head}"
        );
        Ok(body.to_owned())
    }
}

pub(crate) fn metrics() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let deadline = Instant::now() + SOON;
    // Of a sample and of a clock.
    let last = [
        "continuum_node_disk_read_bytes_total{",
        "continuum_node_clock_offset_seconds{",
    ];
    let mut seen = String::new();
    while !last.iter().all(|name| seen.contains(name)) {
        ensure!(
            Instant::now() < deadline,
            "no sample within {SOON:?}: {seen}"
        );
        continuum_tests::process::pause();
        seen = fixture.scrape()?;
    }
    let complaints = complaints(&seen)?;
    ensure!(complaints.is_empty(), "{complaints:#?} in\n{seen}");
    Ok(())
}

pub(crate) fn data() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let targets: Value = serde_json::from_slice(&std::fs::read(&fixture.targets)?)?;
    ensure!(
        targets[0]["targets"] == json!([fixture.address]),
        "the dashboard is at {}: {targets}",
        fixture.address
    );
    // As the documentation has it.
    let all = fixture.targets.with_file_name("*.json");
    let jobs = json!([{ "job_name": "continuum", "file_sd_configs": [{ "files": [all] }] }]);
    let prometheus = Prometheus::start(fixture.dir.path(), &jobs)?;
    let results = fixture.dir.path().join("results").display().to_string();
    let arguments = ["bench", "lab", "--results", &results];
    let mut bench = fixture.ctl.start("bench", &arguments)?;
    prometheus.wait_for_data(&expressions("continuum-overview.json")?)?;
    let nodes = prometheus.query(r#"continuum_node_up{job="continuum", deployment="lab"}"#)?;
    ensure!(nodes.len() == 2, "{nodes:#?}");
    let code = bench.wait(SOON)?;
    ensure!(code == 0, "{code}: {}", bench.said());
    fixture.ctl.expect(0, &["down", "lab"])?;
    ensure!(!fixture.targets.exists(), "targets of what is gone");
    Ok(())
}
