//! Which share of photos was answered by when.

use super::{Drawn, Figure, latency_axis};
use crate::{
    chart::{Axis, Chart, DrawError, PALETTE, line, vertical_mark},
    data_table::{DataTable, number},
    read::RunFiles,
};
use continuum_workload_core::stats::quantile;
use plotters::prelude::*;

/// Points of the curve; more of them than the drawing has units would not be seen.
const POINTS: u32 = 500;

#[derive(Debug)]
pub(crate) struct Cumulative;

impl Figure for Cumulative {
    fn name(&self) -> &'static str {
        "latency-cumulative"
    }

    fn title(&self) -> &'static str {
        "Latency from due: answered by when"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let Some((sorted, x)) = latency_axis(run) else {
            return Ok(None);
        };
        let shares = (1..=POINTS).map(|n| f64::from(n) / f64::from(POINTS));
        let points = shares.filter_map(|share| Some((quantile(&sorted, share)?, share * 100.0)));
        let points: Vec<(f64, f64)> = points.collect();
        let chart = Chart::new(x, Axis::from_zero("photos answered by then (%)", 100.0));
        let svg = chart.draw(|plot| {
            let first = sorted.first().map(|ms| (*ms, 0.0));
            let curve = first.into_iter().chain(points.iter().copied());
            let curve = curve.map(|(ms, percent)| (chart.x.place(ms), percent));
            plot.draw_series(LineSeries::new(curve, line(PALETTE[0], 2.0)))?;
            for (row, (name, ms)) in run.percentiles().into_iter().enumerate() {
                // Below the curve there is room at its left end.
                let word = format!("{name} {} ms", number(ms));
                vertical_mark(plot, &chart, chart.x.place(ms), &word, row + 9)?;
            }
            Ok(())
        })?;
        let mut table = DataTable::new("Latency by share of photos", &["share (%)", "ms"]);
        for percent in [
            1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99, 100,
        ] {
            let least = match percent {
                95 => continuum_workload_core::stats::LEAST_FOR_P95,
                99 => continuum_workload_core::stats::LEAST_FOR_P99,
                _ => 1,
            };
            let ms = quantile(&sorted, f64::from(percent) / 100.0);
            let ms = ms.filter(|_| sorted.len() as u64 >= least);
            if let Some(ms) = ms {
                table.row([percent.to_string(), number(ms)]);
            }
        }
        Ok(Some(Drawn {
            svg,
            caption: "Share of the answered photos whose answer had come by then.".into(),
            table,
        }))
    }
}
