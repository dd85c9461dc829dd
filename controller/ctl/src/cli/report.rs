//! Reports of results that are there.

use super::output::{Format, Output};
use continuum_host::error::Error;
use continuum_results::{Comparison, write_figures, write_page, write_whole};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The page of a result, or its figures.
pub(super) fn report(output: &Output, format: Format, dir: &Path) -> Result<(), Error> {
    let written: Vec<PathBuf> = match format {
        Format::Svg => write_figures(dir)?,
        Format::Text | Format::Json => vec![write_page(dir)?],
    };
    let names: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if names.is_empty() {
        output.text("there are no figures: this result has neither photos nor calls nor metrics");
    }
    output.text(&names.join("\n"));
    output.json(&json!({ "written": names }));
    Ok(())
}

/// What differs between results, and whether by more than chance.
pub(super) fn compare(output: &Output, dirs: &[PathBuf], page: Option<&Path>) -> Result<(), Error> {
    let dirs: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
    let comparison = Comparison::of(&dirs)?;
    for (name, runs) in comparison.names.iter().zip(&comparison.runs) {
        output.text(&format!(
            "{name}: {runs} {}",
            if *runs == 1 { "run" } else { "runs" }
        ));
    }
    if comparison.settings.is_empty() {
        output.text("made with the same config, machines, software and host");
    }
    for setting in &comparison.settings {
        output.text(&format!("{} {}:", setting.kind, setting.name));
        for (name, value) in comparison.names.iter().zip(&setting.values) {
            output.text(&format!("  {name}: {value}"));
        }
    }
    let rows = comparison.rows();
    if !rows.is_empty() {
        output.table(&Comparison::COLUMNS, rows);
        output.text(&comparison.method());
    }
    for note in &comparison.notes {
        output.text(&format!("note: {note}"));
    }
    output.text(&comparison.conclusion());
    if let Some(page) = page {
        write_whole(page, &comparison.page()?)?;
        output.text(&format!("page: {}", page.display()));
    }
    output.json(&json!({ "comparison": comparison, "conclusion": comparison.conclusion() }));
    Ok(())
}

/// Of a command that has none.
pub(super) fn no_figures() -> Error {
    Error::Words {
        doing: "print as svg".into(),
        why: "only `continuum-ctl report DIR` writes figures; other commands print text or json"
            .into(),
    }
}
