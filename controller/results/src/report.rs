//! The files of a report.

use crate::{
    figures::{LATENCY, NODES, Named, drawn},
    page::{PAGE_FILE, run},
    rate_search::RateSearch,
    read::{RunFiles, is_result},
    series::Series,
    summary::Summary,
    sweep::Sweep,
    whole::write_whole,
};
use continuum_host::error::Error;
use std::path::{Path, PathBuf};

/// Writes the page of a result directory into it, and says where; of a sweep, a search or repeated runs, theirs.
pub fn write_page(dir: &Path) -> Result<PathBuf, Error> {
    let path = dir.join(PAGE_FILE);
    if let Some(sweep) = Sweep::read(dir)? {
        sweep.write_page(dir)?;
    } else if let Some(search) = RateSearch::read(dir)? {
        search.write_page(dir)?;
    } else if is_result(dir) {
        let page = run::page(&RunFiles::read(dir)?)?;
        write_whole(&path, &page.render()?)?;
    } else {
        Summary::of(dir)?.write(dir)?;
    }
    Ok(path)
}

/// Figures of a result, a sweep or a search, as far as it has data for them; those of repeated runs are in the runs.
fn figures(dir: &Path) -> Result<Vec<Named>, Error> {
    if let Some(sweep) = Sweep::read(dir)? {
        return Ok(Vec::from_iter(sweep.figure(dir)?));
    }
    if let Some(search) = RateSearch::read(dir)? {
        return Ok(Vec::from_iter(search.figure()?));
    }
    let run = RunFiles::read(dir)?;
    let mut all = drawn(LATENCY, &run)?;
    all.extend(drawn(NODES, &run)?);
    Ok(all)
}

/// Writes figures as SVG files, for a paper, and says which.
pub fn write_figures(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut written = Vec::new();
    for Named { name, drawn, .. } in figures(dir)? {
        let path = dir.join(format!("{name}.svg"));
        write_whole(&path, &drawn.svg)?;
        written.push(path);
    }
    Ok(written)
}
