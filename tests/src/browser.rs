//! A headless Chromium behind its driver.

use crate::process::{command, pause};
use anyhow::{Context, bail, ensure};
use fantoccini::{
    Client, ClientBuilder,
    wd::{PrintConfiguration, WebDriverCompatibleCommand},
};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// For the driver to start, and for what a page shows to become so.
const SOON: Duration = Duration::from_secs(30);

/// What the page said to the browser's console.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _request: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// Ends with its owner, and its browser with it.
#[derive(Debug)]
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[derive(Debug)]
pub struct Browser {
    runtime: Runtime,
    client: Client,
    _driver: Driver,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.runtime.block_on(self.client.clone().close()).ok();
    }
}

fn start_driver() -> anyhow::Result<(Driver, u16)> {
    let driver = command("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("start chromedriver")?;
    let mut driver = Driver(driver);
    let output = driver.0.stdout.take().context("its output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("read what chromedriver says")?;
        if let Some((_, port)) = line.rsplit_once("successfully on port ") {
            let port = port.trim_end_matches('.').parse().context("its port")?;
            return Ok((driver, port));
        }
    }
    bail!("chromedriver ended before it listened")
}

impl Browser {
    /// `more` is what Chromium is told besides.
    pub fn new(more: &[&str]) -> anyhow::Result<Self> {
        let (driver, port) = start_driver()?;
        let runtime = Runtime::new().context("a runtime")?;
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--window-size=1280,1700",
        ];
        let arguments = [&arguments[..], more].concat();
        let mut capabilities = Map::new();
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
        let client = runtime
            .block_on(
                ClientBuilder::new(HttpConnector::new())
                    .capabilities(capabilities)
                    .connect(&format!("http://127.0.0.1:{port}")),
            )
            .context("open a window")?;
        Ok(Self {
            runtime,
            client,
            _driver: driver,
        })
    }

    pub fn open(&self, url: &str) -> anyhow::Result<()> {
        self.runtime
            .block_on(self.client.goto(url))
            .with_context(|| format!("open {url}"))
    }

    /// What a JavaScript expression is worth on the page.
    pub fn value(&self, expression: &str) -> anyhow::Result<Value> {
        let script = format!("return {expression};");
        self.runtime
            .block_on(self.client.execute(&script, Vec::new()))
            .with_context(|| format!("ask the page for {expression}"))
    }

    /// Until it is true.
    pub fn wait_for(&self, expression: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + SOON;
        while self.value(expression)? != Value::Bool(true) {
            ensure!(
                Instant::now() < deadline,
                "`{expression}` is not so after {SOON:?}; the page says:\n{}",
                self.value("document.body.innerText")?
            );
            pause();
        }
        Ok(())
    }

    /// Whatever the page said to the console: pages have nothing to say there.
    pub fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let said: Result<Value, fantoccini::error::CmdError> =
            self.runtime.block_on(self.client.issue_cmd(ConsoleLog));
        let said = said.context("read the console")?;
        let lines = said.as_array().cloned().unwrap_or_default();
        Ok(lines.iter().map(ToString::to_string).collect())
    }

    /// As PNG.
    pub fn picture(&self) -> anyhow::Result<Vec<u8>> {
        self.runtime
            .block_on(self.client.screenshot())
            .context("take a picture")
    }

    /// As PDF, on A4.
    pub fn print(&self) -> anyhow::Result<Vec<u8>> {
        self.runtime
            .block_on(self.client.print(PrintConfiguration::default()))
            .context("print the page")
    }

    pub fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        self.runtime
            .block_on(self.client.set_window_size(width, height))
            .context("make the window another size")
    }
}
