//! Pages of results as a browser shows them: Debian's Chromium, without a window. Skipped where it is not installed.
#![expect(clippy::print_stderr, reason = "reasons for skipping")]

#[path = "../../../controller/results/tests/generated/mod.rs"]
mod generated;

use anyhow::{Context, ensure};
use continuum_results::write_page;
use continuum_tests::{process::command, skip};
use generated::Shape;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;

const PROGRAM: &str = "chromium";

/// Says for each figure how large it and its data are, and how much wider than the window the page is; pages themselves
/// have no scripts.
const PROBE: &str = "<script>
const size = e => { const b = e.getBoundingClientRect(); return [b.width, b.height]; };
const figures = [...document.querySelectorAll('figure')].map(f => ({
    id: f.id,
    size: size(f.querySelector('svg')),
    shapes: f.querySelectorAll('svg polyline, svg polygon, svg circle, svg rect').length,
    rows: f.querySelectorAll('details tbody tr').length,
}));
const wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const paper = getComputedStyle(document.body).backgroundColor;
const ink = getComputedStyle(document.querySelector('svg text')).fill;
document.body.innerHTML = '<pre>measured:' + JSON.stringify({ figures, wider, paper, ink }) + ':end</pre>';
</script></body>";

/// What the probe measured in a window of a size, with what else Chromium is told; what it complains about fails the test.
fn measure(page: &Path, dir: &Path, more: &[&str]) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(page)?.replace("</body>", PROBE);
    let probed = dir.join("probed.html");
    std::fs::write(&probed, text)?;
    let output = command("timeout")
        .args([
            "120",
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .args(more)
        .arg(format!("file://{}", probed.display()))
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    ensure!(complaints.is_empty(), "{complaints:?}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let measured = dom
        .split_once("measured:")
        .and_then(|(_, rest)| rest.split_once(":end"));
    let (measured, _) =
        measured.with_context(|| format!("{PROGRAM} printed `{dom}` and said `{said}`"))?;
    Ok(serde_json::from_str(measured)?)
}

fn page(dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    let shape = Shape {
        slower_ms: 100.0,
        ..Shape::default()
    };
    shape.write(dir);
    Ok(write_page(dir)?)
}

/// No complaint, every figure drawn with its data, and nothing wider than the window.
fn windows() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let page = page(dir.path())?;
    for size in ["--window-size=1280,900", "--window-size=500,900"] {
        let measured = measure(&page, dir.path(), &[size])?;
        let figures = measured["figures"].as_array().context("figures")?;
        ensure!(
            figures.len() == 7,
            "{} figures in {measured}",
            figures.len()
        );
        for figure in figures {
            let at_least =
                |field: &Value, least: f64| field.as_f64().is_some_and(|value| value >= least);
            let is_drawn =
                at_least(&figure["size"][0], 250.0) && at_least(&figure["size"][1], 100.0);
            let has_data = at_least(&figure["shapes"], 1.0) && at_least(&figure["rows"], 1.0);
            ensure!(is_drawn && has_data, "{size}: {figure}");
        }
        ensure!(
            measured["wider"] == 0,
            "{size}: wider than the window by {}",
            measured["wider"]
        );
    }
    Ok(())
}

/// A reader who wants dark pages gets light letters on dark paper, in figures too.
fn dark() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let page = page(dir.path())?;
    let light = measure(
        &page,
        dir.path(),
        &["--blink-settings=preferredColorScheme=1"],
    )?;
    let dark = measure(
        &page,
        dir.path(),
        &["--blink-settings=preferredColorScheme=0"],
    )?;
    ensure!(light["paper"] == "rgb(255, 255, 255)", "{light}");
    ensure!(dark["paper"] == "rgb(13, 17, 23)", "{dark}");
    ensure!(
        light["ink"] != dark["ink"],
        "letters of figures are {} in both",
        dark["ink"]
    );
    Ok(())
}

/// It prints to a few sheets of paper.
fn print() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let page = page(dir.path())?;
    let pdf = dir.path().join("report.pdf");
    let status = command("timeout")
        .args([
            "120",
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
        ])
        .arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", page.display()))
        .stderr(std::process::Stdio::null())
        .status()?;
    ensure!(status.success(), "{status}");
    let pdf = std::fs::read(&pdf)?;
    let text = String::from_utf8_lossy(&pdf);
    let sheets = text.matches("/Type /Page\n").count();
    ensure!(
        (1..=8).contains(&sheets),
        "{sheets} sheets, {} bytes",
        pdf.len()
    );
    Ok(())
}

type Case = fn() -> anyhow::Result<()>;

const CASES: &[(&str, Case)] = &[
    ("every_figure_is_drawn_and_nothing_is_too_wide", windows),
    ("dark_pages_are_dark", dark),
    ("a_page_prints_to_a_few_sheets", print),
];

fn main() -> std::process::ExitCode {
    let reason = skip::chromium();
    if let Some(reason) = &reason {
        eprintln!("skipped: pages in a browser: {reason}");
    }
    let trials = CASES.iter().map(|(name, case)| {
        let trial = Trial::test(*name, move || {
            case().map_err(|e| Failed::from(format!("{e:#}")))
        });
        trial.with_ignored_flag(reason.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
