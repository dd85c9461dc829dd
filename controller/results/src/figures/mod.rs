//! Figures of one run. One trait, one file each; the lists below are their order on the page.

mod cpu;
mod cumulative;
mod distribution;
mod memory;
mod network;
mod node_lines;
mod over_time;
mod time_split;

use crate::{
    chart::{Axis, DrawError},
    data_table::DataTable,
    error::ResultsError,
    read::RunFiles,
};
use continuum_host::error::Error;
use continuum_workload_core::stats::quantile;

/// A figure that can be drawn of a run.
pub(crate) trait Figure: Sync {
    /// Name of its file, without ending; unique.
    fn name(&self) -> &'static str;
    /// What it shows, as a heading.
    fn title(&self) -> &'static str;
    /// `None` where the run has no data for it.
    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError>;
}

/// A figure with what stands beside it.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) svg: String,
    /// What one sees, in words.
    pub(crate) caption: String,
    pub(crate) table: DataTable,
}

/// A figure with its names.
#[derive(Debug)]
pub(crate) struct Named {
    /// Of its file, without ending.
    pub(crate) name: &'static str,
    /// What it shows, as a heading.
    pub(crate) title: &'static str,
    pub(crate) drawn: Drawn,
}

/// Those of a list that a run has data for.
pub(crate) fn drawn(list: &[&dyn Figure], run: &RunFiles) -> Result<Vec<Named>, Error> {
    let mut all = Vec::new();
    for figure in list {
        let (name, title) = (figure.name(), figure.title());
        let drawn = figure.draw(run).map_err(ResultsError::figure(name))?;
        all.extend(drawn.map(|drawn| Named { name, title, drawn }));
    }
    Ok(all)
}

/// A tail that is so many times as long as the median hides everything else on a linear axis.
const LONG_TAIL: f64 = 12.0;

/// All latencies in order, with the axis for them; `None` without any.
fn latency_axis(run: &RunFiles) -> Option<(Vec<f64>, Axis)> {
    let mut sorted: Vec<f64> = run.latencies.iter().map(|latency| latency.ms).collect();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let median = quantile(&sorted, 0.5)?;
    let axis = if most > median * LONG_TAIL && least > 0.0 {
        Axis::logarithmic("latency (ms), logarithmic", least, most)
    } else {
        Axis::from_zero("latency (ms)", most)
    };
    Some((sorted, axis))
}

/// Of photos and calls.
pub(crate) const LATENCY: &[&dyn Figure] = &[
    &distribution::Distribution,
    &cumulative::Cumulative,
    &over_time::OverTime,
    &time_split::TimeSplit,
];

pub(crate) const NODES: &[&dyn Figure] = &[&cpu::Cpu, &memory::Memory, &network::Network];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_good_for_files() {
        let all = || LATENCY.iter().chain(NODES);
        let names: BTreeSet<_> = all().map(|figure| figure.name()).collect();
        assert_eq!(names.len(), all().count());
        let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(names.iter().all(|name| is_plain(name)), "{names:?}");
    }
}
