//! Where the time of a photo went, on average.

use super::{Drawn, Figure};
use crate::{
    chart::{Axis, Chart, DrawError, colour},
    data_table::{DataTable, number, optional},
    read::RunFiles,
};
use continuum_model::END_TO_END;
use continuum_workload_core::stats::mean;
use plotters::prelude::*;

/// Endpoints that have a bar of their own; all are in the table.
const MOST_BARS: usize = 8;

#[derive(Debug)]
pub(crate) struct TimeSplit;

/// `2_uplink` as `uplink`: their order is known from the bar.
fn word(stage: &str) -> String {
    let word = stage.split_once('_').map_or(stage, |(_, word)| word);
    word.replace('_', " ")
}

impl Figure for TimeSplit {
    fn name(&self) -> &'static str {
        "time-split"
    }

    fn title(&self) -> &'static str {
        "Where the time went"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let names = run.stage_names().into_iter();
        let stages: Vec<&str> = names.filter(|name| *name != END_TO_END).collect();
        if stages.is_empty() {
            return Ok(None);
        }
        let mut rows: Vec<(String, Vec<f64>, Option<f64>)> = Vec::new();
        for (endpoint, values) in &run.stages {
            let of = |stage: &str| values.get(stage).and_then(|values| mean(values));
            let means = stages.iter().map(|stage| of(stage).unwrap_or_default());
            rows.push((endpoint.clone(), means.collect(), of(END_TO_END)));
        }
        let shown: Vec<_> = rows.iter().take(MOST_BARS).collect();
        let longest = shown
            .iter()
            .map(|(_, means, _)| means.iter().map(|m| m.max(0.0)).sum());
        let longest: f64 = longest.fold(0.0, f64::max);
        let endpoints: Vec<String> = shown.iter().map(|(name, ..)| name.clone()).collect();
        let x = Axis::from_zero("mean of all photos (ms)", longest);
        let mut chart = Chart::new(x, Axis::names(&endpoints));
        chart.legend = stages.iter().map(|stage| word(stage)).collect();
        let svg = chart.draw(|plot| {
            for (index, (_, means, _)) in shown.iter().enumerate() {
                let middle = (shown.len() - index) as f64 - 0.5;
                let mut at = 0.0;
                for (stage, mean) in means.iter().enumerate() {
                    // Below zero the clocks' difference was measured too badly; a bar has no such length.
                    let next = at + mean.max(0.0);
                    let corners = [(at, middle - 0.3), (next, middle + 0.3)];
                    let bar = Rectangle::new(corners, colour(stage).filled());
                    plot.draw_series(std::iter::once(bar))?;
                    at = next;
                }
            }
            Ok(())
        })?;
        let columns = std::iter::once("mean (ms)".to_owned());
        let columns = columns.chain(stages.iter().map(|stage| word(stage)));
        let mut table = DataTable::new("Mean time by stage", &[]);
        table.columns = columns.chain(["from due to answer".to_owned()]).collect();
        for (endpoint, means, whole) in &rows {
            let cells = std::iter::once(endpoint.clone()).chain(means.iter().map(|m| number(*m)));
            table.row(cells.chain([optional(*whole)]));
        }
        let mut caption =
            "Mean length of each stage, by endpoint; stages follow each other from left to right."
                .to_owned();
        let left = rows.len().saturating_sub(MOST_BARS);
        if left > 0 {
            caption.push_str(&format!(" {left} more endpoints are in the table."));
        }
        Ok(Some(Drawn {
            svg,
            caption,
            table,
        }))
    }
}
