//! Pages of results as a browser shows them: Debian's Chromium. Skipped where it is not installed.
#![expect(clippy::print_stderr, reason = "reasons for skipping")]

#[path = "../../../controller/results/tests/generated/mod.rs"]
mod generated;

use anyhow::{Context, ensure};
use continuum_results::write_page;
use continuum_tests::{browser::Browser, skip};
use generated::Shape;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// For each figure how large it and its data are, and how much wider than the window the page is.
const MEASURE: &str = "(() => {
    const size = e => { const b = e.getBoundingClientRect(); return [b.width, b.height]; };
    const figures = [...document.querySelectorAll('figure')].map(f => ({
        id: f.id,
        size: size(f.querySelector('svg')),
        shapes: f.querySelectorAll('svg polyline, svg polygon, svg circle, svg rect').length,
        rows: f.querySelectorAll('details tbody tr').length,
    }));
    const width = window.innerWidth;
    const wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const paper = getComputedStyle(document.body).backgroundColor;
    const ink = getComputedStyle(document.querySelector('svg text')).fill;
    return { figures, width, wider, paper, ink };
})()";

/// A browser with the page of a result; what it complains about fails the test.
fn show(dir: &Path, more: &[&str]) -> anyhow::Result<Browser> {
    let browser = Browser::new(more)?;
    browser.open(&format!("file://{}", page(dir)?.display()))?;
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "{complaints:?}");
    Ok(browser)
}

fn page(dir: &Path) -> anyhow::Result<PathBuf> {
    let shape = Shape {
        slower_ms: 100.0,
        ..Shape::default()
    };
    shape.write(dir)?;
    Ok(write_page(dir)?)
}

/// No complaint, every figure drawn with its data, and nothing wider than the window.
fn windows() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let browser = show(dir.path(), &[])?;
    for width in [1280, 500] {
        browser.resize(width, 900)?;
        let measured = browser.value(MEASURE)?;
        ensure!(measured["width"] == width, "{width}: {measured}");
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
            ensure!(is_drawn && has_data, "{width}: {figure}");
        }
        ensure!(
            measured["wider"] == 0,
            "{width}: wider than the window by {}",
            measured["wider"]
        );
    }
    Ok(())
}

/// A reader who wants dark pages gets light letters on dark paper, in figures too.
fn dark() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scheme = |number: u8| {
        let setting = format!("--blink-settings=preferredColorScheme={number}");
        show(dir.path(), &[&setting])?.value(MEASURE)
    };
    let (dark, light) = (scheme(0)?, scheme(1)?);
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
    let pdf = show(dir.path(), &[])?.print()?;
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
