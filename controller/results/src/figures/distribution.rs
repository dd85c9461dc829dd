//! How many photos took how long.

use super::{Drawn, Figure, latency_axis};
use crate::{
    chart::{Axis, Chart, DrawError, PALETTE, vertical_mark},
    data_table::{DataTable, number},
    read::RunFiles,
    statistics::bins,
};
use plotters::prelude::*;

const BINS: usize = 40;

#[derive(Debug)]
pub(crate) struct Distribution;

impl Figure for Distribution {
    fn name(&self) -> &'static str {
        "latency-histogram"
    }

    fn title(&self) -> &'static str {
        "Latency from due: how often"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let Some((sorted, x)) = latency_axis(run) else {
            return Ok(None);
        };
        let places = sorted.iter().map(|ms| x.place(*ms));
        let bins = bins(places, x.from, x.to, BINS);
        let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
        let chart = Chart::new(x, Axis::from_zero("photos", most as f64));
        let svg = chart.draw(|plot| {
            let bars = bins.iter().filter(|bin| bin.count > 0).map(|bin| {
                // A little air between bars, in units of the axis.
                let air = (bin.to - bin.from) * 0.06;
                let corners = [(bin.from + air, 0.0), (bin.to - air, bin.count as f64)];
                Rectangle::new(corners, PALETTE[0].filled())
            });
            plot.draw_series(bars)?;
            for (row, (name, ms)) in run.percentiles().into_iter().enumerate() {
                let word = format!("{name} {} ms", number(ms));
                vertical_mark(plot, &chart, chart.x.place(ms), &word, row)?;
            }
            Ok(())
        })?;
        let mut table = DataTable::new("Photos by latency", &["from (ms)", "to (ms)", "photos"]);
        for bin in bins.iter().filter(|bin| bin.count > 0) {
            let ends = [bin.from, bin.to].map(|place| number(chart.x.value(place)));
            table.row(ends.into_iter().chain([bin.count.to_string()]));
        }
        let caption = format!(
            "{} photos that were answered, by the time from when each was due to its answer.",
            sorted.len()
        );
        Ok(Some(Drawn {
            svg,
            caption,
            table,
        }))
    }
}
