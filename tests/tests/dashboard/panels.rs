//! Panels that agents alone do not fill.

use crate::page::{Fixture, SOON, keep_picture, no_complaints};
use anyhow::{Context, ensure};
use continuum_tests::browser::Browser;
use serde_json::{Value, json};

/// Two tiers, and links that nobody makes.
const MACHINES: &str = "[infrastructure]\nprovider = \"local\"\ninfra_only = true\n[infrastructure.edge]\nnodes = 1\n\
                        cores = 1\nmemory_mib = 256\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\n\
                        memory_mib = 256\n[network]\npreset = \"4g\"\n";
const PHOTOS: &str = "[infrastructure]\nprovider = \"local\"\n[infrastructure.edge]\nnodes = 1\ncores = 1\n\
                      memory_mib = 1024\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 512\n[software]\n\
                      resource_manager = \"mist\"\n[benchmark]\napplication = \"image_classification\"\nfrequency = 5\n\
                      duration_s = 15\n";

/// Puts what a server would tell into the page, as if it had told it.
fn tell(browser: &Browser, assignments: &str) -> anyhow::Result<()> {
    let script = format!("import('/app.js').then(({{ state }}) => {{ {assignments} }})");
    browser.value(&script).map(drop)
}

fn text_of(browser: &Browser, id: &str) -> anyhow::Result<String> {
    let text = browser.value(&format!("document.getElementById('{id}').innerText"))?;
    Ok(text.as_str().context("its text")?.to_owned())
}

fn has(text: &str, parts: &[&str]) -> anyhow::Result<()> {
    for part in parts {
        ensure!(text.contains(part), "no `{part}` in: {text}");
    }
    Ok(())
}

fn number(quantity: &str, unit: &str, asked: f64, measured: f64, verdict: &str) -> Value {
    json!({
        "node": "endpoint0", "to": "edge0", "quantity": quantity, "unit": unit, "asked": asked, "measured": measured,
        "tolerance": "14.50 to 15.60", "verdict": verdict, "cause": null, "measured_unix_ns": 1_790_000_000_000_000_000_i64,
    })
}

pub(crate) fn links() -> anyhow::Result<()> {
    let fixture = Fixture::of(MACHINES)?;
    // As `network NAME verify` leaves it.
    let measured = json!([
        number("rate", "Mbit/s", 7.21, 7.15, "in_tolerance"),
        number("round_trip", "ms", 15.0, 25.5, "out_of_tolerance"),
    ]);
    let file = fixture.ctl.state().join("deployments/lab/measured.json");
    std::fs::write(&file, measured.to_string()).context("write what was measured")?;
    let browser = fixture.browser()?;
    browser.wait_for("document.querySelectorAll('#measured tbody tr').length === 2")?;
    browser.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")?;
    let rows = "[...document.querySelectorAll('#measured tbody tr')].map((row) => row.innerText).join('; ')";
    let rows = browser.value(rows)?;
    let rows = rows.as_str().context("rows")?;
    // What is wrong is at the top.
    ensure!(
        rows.find("round trip")
            .is_some_and(|at| Some(at) < rows.find("rate")),
        "{rows}"
    );
    has(
        rows,
        &["endpoint0 → edge0", "25.50", "14.50 to 15.60", "NO"],
    )?;
    // The processes of this provider have no links, so the page is given one.
    tell(
        &browser,
        "state.topology.links = [{ from: 'edge', to: 'endpoint', latency_ms: 7.5, jitter_ms: 2.5, loss_percent: 0, rate_mbit: 7.21 }];",
    )?;
    browser.wait_for("document.querySelector('#topology .wrong') !== null")?;
    let wrong = browser.value("document.querySelector('#topology .wrong').textContent")?;
    ensure!(wrong == "✗ round trip 25.50 of 15.00 ms", "{wrong}");
    // As `network NAME cut` leaves it, which is refused where nothing can be cut.
    let cut = json!([{ "request": "cut edge0 endpoint0" }]);
    let file = fixture.ctl.state().join("deployments/lab/links.json");
    std::fs::write(&file, cut.to_string()).context("write what is cut")?;
    browser.wait_for("document.querySelector('#topology .cut') !== null")?;
    keep_picture(&browser, "links")?;
    no_complaints(&browser)
}

pub(crate) fn functions_and_cluster() -> anyhow::Result<()> {
    let fixture = Fixture::of(MACHINES)?;
    let browser = fixture.browser()?;
    let is_hidden = "['section-functions', 'section-cluster'].every((id) => document.getElementById(id).hidden)";
    browser.wait_for(is_hidden)?;
    let point = "(at, calls, mean, p95) => ({ time_unix_ms: at, replicas: 2, available: 1, cpu_cores: 0.42, \
                 memory_bytes: 104857600, in_flight: 3, calls_per_s: calls, cold_starts: 1, mean_ms: mean, p95_ms: p95 })";
    let functions = format!(
        "const point = {point}; const at = (n) => state.now - 5000 * (12 - n); const points = (rate, mean) => \
         Array.from({{ length: 12 }}, (_, n) => point(at(n), {{ 200: rate + n / 10, 500: 0.2 }}, mean + 10 * n, 2 * mean)); \
         state.functions = new Map([['fibonacci', points(4, 120)], ['io', points(2, 400)]]);"
    );
    let cluster = json!({
        "look": {
            "nodes": [
                { "name": "cloud-controller", "why_not": null, "version": "v1.35.0", "pods": 6 },
                { "name": "cloud0", "why_not": "DiskPressure: kubelet has disk pressure", "version": "v1.35.0", "pods": 3 },
            ],
            "namespaces": [
                { "namespace": "kube-system", "phases": { "Running": 6 }, "restarts": 1, "not_running": [] },
                { "namespace": "openfaas-fn", "phases": { "Pending": 1, "Running": 2 }, "restarts": 0,
                  "not_running": [["io-7d9f-x2", "no node takes it: Insufficient cpu"]] },
            ],
            "events": [
                { "time_unix_ms": 1_790_000_000_000_i64, "is_warning": true, "about": "Pod openfaas-fn/io-7d9f-x2",
                  "reason": "FailedScheduling", "message": "0/2 nodes are available", "count": 4 },
            ],
            "available": {}, "gateways": [],
        },
        "trouble": [],
    });
    tell(&browser, &format!("{functions} state.cluster = {cluster};"))?;
    browser.wait_for(
        "document.querySelectorAll('#function-plots figure:not([hidden]) canvas').length === 8",
    )?;
    let now = text_of(&browser, "functions")?;
    has(
        &now,
        &[
            "fibonacci",
            "1 of 2",
            "0.42",
            "100 MiB",
            "200: 5.10, 500: 0.20",
            "230 ms",
        ],
    )?;
    let cluster = text_of(&browser, "section-cluster")?;
    has(
        &cluster,
        &[
            "DiskPressure",
            "openfaas-fn/io-7d9f-x2: no node takes it: Insufficient cpu",
            "FailedScheduling",
            "0/2 nodes are available (4 times)",
        ],
    )?;
    keep_picture(&browser, "functions")?;
    browser.resize(420, 900)?;
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    browser.wait_for(fits)?;
    keep_picture(&browser, "functions-phone")?;
    no_complaints(&browser)
}

pub(crate) fn photos() -> anyhow::Result<()> {
    let fixture = Fixture::of(PHOTOS)?;
    let browser = fixture.browser()?;
    let results = fixture.dir.path().join("results").display().to_string();
    let arguments = ["bench", "lab", "--results", &results];
    let mut bench = fixture.ctl.start("bench", &arguments)?;
    let shown = "import('/app.js').then(({ state }) => state.status.run?.stage === 'run' && (state.application?.points ?? [])";
    browser.wait_for(&format!(
        "{shown}.some((point) => point.p50_ms > 0 && point.stages_ms.every((ms) => ms !== null)))"
    ))?;
    let plots =
        "document.querySelectorAll('#application-plots figure:not([hidden]) canvas').length";
    browser.wait_for(&format!("{plots} === 5"))?;
    let code = bench.wait(SOON * 2)?;
    ensure!(code == 0, "{code}: {}", bench.said());
    // After the end it is as the result has it.
    browser
        .wait_for("document.getElementById('application-words').innerText.includes('0 lost')")?;
    let words = text_of(&browser, "application-words")?;
    has(&words, &["75 sent", "75 answered"])?;
    keep_picture(&browser, "application")?;
    no_complaints(&browser)
}
