//! What nodes used of what they may.

use super::{Section, figures};
use crate::{figures::NODES, read::RunFiles};
use continuum_host::error::Error;

pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let figures = figures(NODES, run)?;
    if figures.is_empty() {
        return Ok(None);
    }
    Ok(Some(Section {
        id: "nodes",
        title: "Nodes",
        text: "Measured by each node's agent, once a second. Where nodes are processes of one machine, all of them measure that \
               machine."
            .into(),
        figures,
        ..Section::default()
    }))
}
