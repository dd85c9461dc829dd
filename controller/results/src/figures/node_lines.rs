//! One line for each node over time, against what it may use.

use super::Drawn;
use crate::{
    chart::{Axis, Chart, DrawError, PIXEL, colour, horizontal_mark, line},
    data_table::{DataTable, number, optional},
    read::RunFiles,
};
use continuum_workload_core::stats::mean;
use plotters::prelude::*;

/// Lines that can be told apart; the busiest nodes get them, and all are in the table.
const MOST_LINES: usize = 7;
/// Points of a line; of a longer one the largest value of each stretch.
const MOST_POINTS: usize = 300;

/// A node's values over time.
pub(super) struct NodeLine<'a> {
    pub(super) node: &'a str,
    pub(super) values: &'a [(f64, f64)],
    /// What it may use, in words.
    pub(super) limit: String,
}

/// What is shown of all nodes.
pub(super) struct NodeLines<'a> {
    pub(super) lines: Vec<NodeLine<'a>>,
    /// With its unit.
    pub(super) label: &'a str,
    /// What is a mark across the figure, with its word.
    pub(super) marks: Vec<(f64, String)>,
    /// Largest value of the axis at least.
    pub(super) at_least: f64,
    pub(super) caption: String,
}

fn thinned(values: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stretch = values.len().div_ceil(MOST_POINTS).max(1);
    let largest = |part: &[(f64, f64)]| part.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    values.chunks(stretch).filter_map(largest).collect()
}

impl NodeLines<'_> {
    /// `None` where no node has a value.
    pub(super) fn draw(self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let all = || self.lines.iter().flat_map(|line| line.values);
        let most = all().map(|(_, value)| *value).fold(self.at_least, f64::max);
        let most = self
            .marks
            .iter()
            .map(|(at, _)| *at * 1.08)
            .fold(most, f64::max);
        let Some(first) = all().map(|(at_s, _)| *at_s).reduce(f64::min) else {
            return Ok(None);
        };
        let last = all().map(|(at_s, _)| *at_s).fold(first, f64::max);
        let level = |line: &NodeLine<'_>| {
            let values: Vec<f64> = line.values.iter().map(|(_, value)| *value).collect();
            mean(&values).unwrap_or_default()
        };
        let mut shown: Vec<&NodeLine<'_>> = self.lines.iter().collect();
        shown.sort_by(|a, b| level(b).total_cmp(&level(a)));
        shown.truncate(MOST_LINES);
        shown.sort_by(|a, b| a.node.cmp(b.node));
        let x = Axis::linear("seconds since the load began", first, last);
        let mut chart = Chart::new(x, Axis::from_zero(self.label, most));
        chart.legend = shown.iter().map(|line| line.node.to_owned()).collect();
        let svg = chart.draw(|plot| {
            for (index, node) in shown.iter().enumerate() {
                let style = line(colour(index), 2.0);
                let points = thinned(node.values);
                if let [single] = points.as_slice() {
                    let point = Circle::new(*single, 3 * PIXEL, colour(index).filled());
                    plot.draw_series(std::iter::once(point))?;
                }
                plot.draw_series(LineSeries::new(points, style))?;
            }
            for (at, word) in &self.marks {
                horizontal_mark(plot, &chart, *at, word)?;
            }
            Ok(())
        })?;
        let columns = ["node", "mean", "most", "may use", "lost samples"];
        let mut table = DataTable::new(self.label, &columns);
        for line in &self.lines {
            let most = line.values.iter().map(|(_, value)| *value).reduce(f64::max);
            let lost = run.result.metrics.iter().find(|m| m.node == line.node);
            let lost = lost.map_or(0, |m| m.dropped).to_string();
            table.row([
                line.node.to_owned(),
                number(level(line)),
                optional(most),
                line.limit.clone(),
                lost,
            ]);
        }
        let left = self.lines.len().saturating_sub(MOST_LINES);
        let mut caption = self.caption;
        if left > 0 {
            caption.push_str(&format!(
                " Shown are the busiest; {left} more are in the table."
            ));
        }
        Ok(Some(Drawn {
            svg,
            caption,
            table,
        }))
    }
}
