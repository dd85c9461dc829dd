//! The files of a report.

use crate::{
    error::ResultsError,
    figures::{LATENCY, NODES},
    page::{PAGE_FILE, run},
    read::{RunFiles, is_result},
    summary::Summary,
    sweep::Sweep,
    whole::write_whole,
};
use continuum_host::error::Error;
use std::path::{Path, PathBuf};

/// Writes the page of a result directory into it, and says where; of a sweep or of repeated runs, theirs.
pub fn write_page(dir: &Path) -> Result<PathBuf, Error> {
    let path = dir.join(PAGE_FILE);
    if let Some(sweep) = Sweep::read(dir)? {
        sweep.write_page(dir)?;
    } else if is_result(dir) {
        let page = run::page(&RunFiles::read(dir)?)?;
        write_whole(&path, &page.render()?)?;
    } else {
        Summary::of(dir)?.write(dir)?;
    }
    Ok(path)
}

/// Writes the figures that a result has data for, as SVG files for a paper, and says which.
pub fn write_figures(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let run = RunFiles::read(dir)?;
    let mut written = Vec::new();
    for figure in LATENCY.iter().chain(NODES) {
        let drawn = figure.draw(&run);
        let drawn = drawn.map_err(ResultsError::figure(figure.name()))?;
        if let Some(drawn) = drawn {
            let path = dir.join(format!("{}.svg", figure.name()));
            write_whole(&path, &drawn.svg)?;
            written.push(path);
        }
    }
    Ok(written)
}
