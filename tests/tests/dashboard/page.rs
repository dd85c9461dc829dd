//! What the page shows of agents on loopback.

use anyhow::{Context, ensure};
use continuum_tests::{
    browser::Browser,
    ctl::{Ctl, Running},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{path::PathBuf, time::Duration};

pub(crate) const SOON: Duration = Duration::from_secs(30);
const CONFIG: &str = "[infrastructure]\nprovider = \"local\"\n[infrastructure.endpoint]\nnodes = 2\ncores = 1\n\
                      memory_mib = 256\n[software]\nresource_manager = \"none\"\n[benchmark]\napplication = \"empty\"\n\
                      sleep_time_s = 4\n";

/// Two agents, and a dashboard of them.
pub(crate) struct Fixture {
    dashboard: Running,
    url: String,
    pub(crate) ctl: Ctl,
    // Dropped last: `down` needs it.
    pub(crate) dir: tempfile::TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.dashboard.signal(Signal::INT).ok();
        self.dashboard.wait(SOON).ok();
    }
}

fn start_dashboard(ctl: &Ctl, address: &str) -> anyhow::Result<(Running, String)> {
    let arguments = ["dashboard", "lab", "--address", address];
    let mut dashboard = ctl.start("dashboard", &arguments)?;
    dashboard.wait_for(" until interrupted", SOON)?;
    let url = url_of(&dashboard)?;
    Ok((dashboard, url))
}

fn url_of(program: &Running) -> anyhow::Result<String> {
    let said = program.said();
    let mut words = said.split_whitespace();
    let url = words.find(|word| word.starts_with("http://"));
    Ok(url.context("no address in what it said")?.to_owned())
}

impl Fixture {
    fn new() -> anyhow::Result<Self> {
        Self::of(CONFIG)
    }

    pub(crate) fn of(text: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("a directory")?;
        let ctl = Ctl::new(dir.path().join("state"));
        let config = dir.path().join("lab.toml");
        std::fs::write(&config, text).context("write a config")?;
        ctl.expect(
            0,
            &["up", &config.display().to_string(), "--allow-unemulated"],
        )?;
        let (dashboard, url) = start_dashboard(&ctl, "127.0.0.1:0")?;
        Ok(Self {
            dashboard,
            url,
            ctl,
            dir,
        })
    }

    pub(crate) fn browser(&self) -> anyhow::Result<Browser> {
        let browser = Browser::new(&[])?;
        browser.open(&self.url)?;
        browser
            .wait_for("document.querySelectorAll('#nodes tbody tr:not(.stale)').length === 2")?;
        Ok(browser)
    }

    fn agent(&self, node: &str) -> anyhow::Result<Pid> {
        let info = self.ctl.json(0, &["agent", "lab", node, "info"])?;
        let pid = info["pid"].as_i64().context("its pid")?;
        Pid::from_raw(i32::try_from(pid)?).context("its pid")
    }
}

pub(crate) fn no_complaints(browser: &Browser) -> anyhow::Result<()> {
    let complaints = browser.complaints()?;
    ensure!(
        complaints.is_empty(),
        "the browser complains: {complaints:?}"
    );
    Ok(())
}

/// For people, below the build directory.
pub(crate) fn keep_picture(browser: &Browser, name: &str) -> anyhow::Result<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    std::fs::create_dir_all(&dir).context("a directory for pictures")?;
    let path = dir.join(format!("{name}.png"));
    std::fs::write(&path, browser.picture()?).context("keep a picture")?;
    Ok(path)
}

pub(crate) fn figures() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let browser = fixture.browser()?;
    for node in ["endpoint0", "endpoint1"] {
        let metrics = fixture.ctl.json(0, &["agent", "lab", node, "metrics"])?;
        let measured = metrics["memory_used_bytes"]
            .as_f64()
            .context("its memory")?
            / 1_048_576.0;
        let shown = format!(
            "Number([...document.querySelectorAll('#nodes tbody tr')].find((row) => row.innerText.includes('{node}')).cells[3].innerText.split(' of ')[0])"
        );
        let shown = browser.value(&shown)?.as_f64().context("a number")?;
        // The machine's memory in use changes from one sample to the next.
        ensure!(
            (shown - measured).abs() < measured * 0.05,
            "{node}: {shown} MiB shown, {measured} measured"
        );
    }
    let drawn = "document.querySelectorAll('figure canvas').length === document.querySelectorAll('figure:not([hidden])').length";
    browser.wait_for(drawn)?;
    // Each plot has its table, with as many columns as there are series.
    let buttons = "document.querySelectorAll('figure button').forEach((button) => button.click())";
    browser.value(buttons)?;
    browser.wait_for("[...document.querySelectorAll('#node-plots figure')].every((figure) => figure.querySelectorAll('tbody tr').length > 2)")?;
    let nodes = browser.value("document.querySelectorAll('#topology rect').length")?;
    ensure!(nodes == 2, "{nodes} nodes in the picture");
    browser.value(buttons)?;
    eprintln!("pictures: {}", keep_picture(&browser, "desktop")?.display());
    browser.resize(420, 900)?;
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    browser.wait_for(fits)?;
    keep_picture(&browser, "phone")?;
    no_complaints(&browser)
}

pub(crate) fn silent_agent() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let browser = fixture.browser()?;
    let agent = fixture.agent("endpoint1")?;
    kill_process(agent, Signal::STOP).context("stop an agent")?;
    let grey = "document.querySelectorAll('#nodes tr.stale').length === 1";
    let seen = browser.wait_for(grey);
    kill_process(agent, Signal::CONT).context("let it go on")?;
    seen?;
    browser.wait_for("document.querySelectorAll('#nodes tr.stale').length === 0")?;
    no_complaints(&browser)
}

pub(crate) fn run() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let browser = fixture.browser()?;
    let results = fixture.dir.path().join("results").display().to_string();
    let mut bench = fixture
        .ctl
        .start("bench", &["bench", "lab", "--results", &results])?;
    browser.wait_for("document.querySelector('#stages li.now')?.innerText === 'run …'")?;
    let code = bench.wait(SOON)?;
    ensure!(code == 0, "{code}: {}", bench.said());
    browser
        .wait_for("document.getElementById('run-line').innerText.includes('ended: unverified')")?;
    no_complaints(&browser)
}

pub(crate) fn beside_a_bench() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let results = fixture.dir.path().join("results").display().to_string();
    let arguments = [
        "bench",
        "lab",
        "--results",
        &results,
        "--dashboard",
        "127.0.0.1:0",
    ];
    // Before it begins: a browser takes as long as this bench.
    let browser = Browser::new(&[])?;
    let mut bench = fixture.ctl.start("bench", &arguments)?;
    bench.wait_for(" until this command ends", SOON)?;
    browser.open(&url_of(&bench)?)?;
    browser.wait_for("document.querySelector('#stages li.now') !== null")?;
    browser.wait_for("document.querySelectorAll('#nodes tbody tr:not(.stale)').length === 2")?;
    let code = bench.wait(SOON)?;
    ensure!(code == 0, "{code}: {}", bench.said());
    browser.wait_for("document.getElementById('phase').innerText === 'not connected'")
}

pub(crate) fn server_started_again() -> anyhow::Result<()> {
    let mut fixture = Fixture::new()?;
    let browser = fixture.browser()?;
    fixture.dashboard.signal(Signal::INT)?;
    fixture.dashboard.wait(SOON)?;
    browser.wait_for("document.getElementById('phase').innerText === 'not connected'")?;
    let address = fixture
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    (fixture.dashboard, _) = start_dashboard(&fixture.ctl, address)?;
    browser.wait_for("document.getElementById('phase').innerText === 'up'")?;
    browser.wait_for("document.querySelectorAll('#nodes tr.stale').length === 0")
}
