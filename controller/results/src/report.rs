//! The files of a report.

use crate::{
    figures::{LATENCY, NODES},
    page::run,
    read::RunFiles,
    whole::write_whole,
};
use continuum_host::error::Error;
use std::path::{Path, PathBuf};

/// The page of a result, beside its `result.json`.
pub const PAGE_FILE: &str = "report.html";

/// Writes the page of a result directory into it, and says where.
pub fn write_page(dir: &Path) -> Result<PathBuf, Error> {
    let page = run::page(&RunFiles::read(dir)?)?;
    let path = dir.join(PAGE_FILE);
    write_whole(&path, &page.render()?)?;
    Ok(path)
}

/// Writes the figures that a result has data for, as SVG files for a paper, and says which.
pub fn write_figures(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let run = RunFiles::read(dir)?;
    let mut written = Vec::new();
    for figure in LATENCY.iter().chain(NODES) {
        let drawn = figure.draw(&run);
        let drawn =
            drawn.map_err(|error| Error::other(format!("draw {}", figure.name()), error))?;
        if let Some(drawn) = drawn {
            let path = dir.join(format!("{}.svg", figure.name()));
            write_whole(&path, &drawn.svg)?;
            written.push(path);
        }
    }
    Ok(written)
}
