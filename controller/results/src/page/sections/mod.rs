//! Parts of a run's page. One file each; the list is their order.

mod events;
mod latency;
mod nodes;
mod prediction;
mod provenance;
mod tables;
mod validity;
mod verification;

use super::{List, PageFigure, Section};
use crate::{
    figures::{Figure, drawn},
    read::RunFiles,
};
use continuum_host::error::Error;

/// `None` where the run has nothing for it.
type Build = fn(&RunFiles) -> Result<Option<Section>, Error>;

pub(super) const ALL: &[Build] = &[
    validity::section,
    latency::section,
    prediction::section,
    tables::section,
    verification::section,
    nodes::section,
    events::section,
    provenance::section,
];

/// Those of the figures that the run has data for.
fn figures(list: &[&dyn Figure], run: &RunFiles) -> Result<Vec<PageFigure>, Error> {
    Ok(drawn(list, run)?
        .into_iter()
        .map(PageFigure::from)
        .collect())
}
