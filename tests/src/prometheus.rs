//! Debian's Prometheus, its promtool, and what the dashboards for Grafana ask it.

use crate::{
    ctl::source,
    process::{command, pause},
};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

/// For it to start, and for what it scrapes to be there.
const SOON: Duration = Duration::from_mins(1);

/// What one panel of a dashboard asks.
#[derive(Debug, Clone)]
pub struct Expression {
    pub panel: String,
    pub promql: String,
}

/// Everything that a dashboard asks, with the values that Grafana would put in.
pub fn expressions(dashboard: &str) -> anyhow::Result<Vec<Expression>> {
    let path = source().join("dashboards").join(dashboard);
    let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let dashboard: Value = serde_json::from_slice(&text).context("read a dashboard")?;
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let asked = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| Expression {
            panel: panel["title"].as_str().unwrap_or_default().to_owned(),
            promql: target["expr"]
                .as_str()
                .unwrap_or_default()
                .replace("$__rate_interval", "1m")
                .replace("$deployment", ".*"),
        })
    });
    Ok(asked.collect())
}

fn hear(mut child: Child, input: &str) -> anyhow::Result<Output> {
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).context("tell promtool")?;
    }
    child.wait_with_output().context("hear promtool")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// What promtool has to say against metrics as Prometheus reads them, a line each.
pub fn complaints(metrics: &str) -> anyhow::Result<Vec<String>> {
    let promtool = command("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start promtool")?;
    let output = hear(promtool, metrics)?;
    let said = words(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(Vec::new()),
        Some(3) => Ok(said.lines().map(str::to_owned).collect()),
        _ => bail!("these are no metrics: {said}\n{metrics}"),
    }
}

/// Fails with what promtool cannot read of them: the expressions as those of recording rules.
pub fn check_expressions(dir: &Path, all: &[Expression]) -> anyhow::Result<()> {
    let rules = all.iter().enumerate().map(|(number, one)| {
        json!({ "record": format!("panel:expression:number{number}"), "expr": one.promql })
    });
    let rules: Vec<Value> = rules.collect();
    let file = dir.join("rules.yml");
    // JSON is YAML.
    let text = json!({ "groups": [{ "name": "dashboards", "rules": rules }] });
    std::fs::write(&file, text.to_string()).context("write rules")?;
    let output = command("promtool")
        .args(["check", "rules"])
        .arg(&file)
        .output()
        .context("start promtool")?;
    ensure!(output.status.success(), "{}", words(&output.stderr));
    Ok(())
}

/// One that runs until this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prometheus {
    /// With these `scrape_configs`, each scraped once a second; its files go into `dir`.
    pub fn start(dir: &Path, scrape_configs: &Value) -> anyhow::Result<Self> {
        let file = dir.join("prometheus.yml");
        let config =
            json!({ "global": { "scrape_interval": "1s" }, "scrape_configs": scrape_configs });
        std::fs::write(&file, config.to_string()).context("write a config")?;
        let log = dir.join("prometheus.log");
        let out = std::fs::File::create(&log).context("create a log")?;
        let child = command("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .context("start prometheus")?;
        let mut started = Self {
            child,
            url: String::new(),
        };
        let deadline = Instant::now() + SOON;
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(address) = listening_at(&said) {
                started.url = format!("http://{address}");
                return Ok(started);
            }
            let ended = started.child.try_wait().context("look at prometheus")?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "prometheus does not listen: {said}"
            );
            pause();
        }
    }

    /// The series that an expression has now.
    pub fn query(&self, promql: &str) -> anyhow::Result<Vec<Value>> {
        let output = command("promtool")
            .args(["query", "instant", "-o", "json", &self.url, promql])
            .output()
            .context("start promtool")?;
        ensure!(
            output.status.success(),
            "`{promql}`: {}",
            words(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("read what promtool says")
    }

    /// Until every expression has returned data once.
    pub fn wait_for_data(&self, all: &[Expression]) -> anyhow::Result<()> {
        let deadline = Instant::now() + SOON;
        let mut without: Vec<&Expression> = all.iter().collect();
        loop {
            let mut still = Vec::new();
            for one in without {
                if self.query(&one.promql)?.is_empty() {
                    still.push(one);
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "no data within {SOON:?} for {still:#?}; scraped: {:#?}",
                self.query("up")?
            );
            without = still;
            pause();
        }
    }
}

/// Where it says in its log that it listens.
fn listening_at(log: &str) -> Option<&str> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    let (_, address) = line.split_once("address=")?;
    address.split_whitespace().next()
}
