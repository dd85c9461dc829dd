//! Latency of photos by when they were due, with what the timeline did.

use super::{Drawn, Figure};
use crate::{
    chart::{Axis, Chart, DrawError, PALETTE, PIXEL, line, vertical_mark},
    data_table::{DataTable, number},
    read::{Latency, RunFiles},
};
use continuum_workload_core::stats::quantile;
use plotters::prelude::*;

/// More photos than these are shown by median and range of each slice of time.
const MOST_POINTS: usize = 2000;
const SLICES: usize = 100;
/// Marks that have a number; more would hide each other.
const MOST_MARKS: usize = 12;

#[derive(Debug)]
pub(crate) struct OverTime;

/// Photos that were due in a slice of time.
struct Slice {
    from_s: f64,
    to_s: f64,
    sorted: Vec<f64>,
}

fn slices(latencies: &[Latency], from_s: f64, to_s: f64) -> Vec<Slice> {
    let width = ((to_s - from_s) / SLICES as f64).max(1e-9);
    let mut slices: Vec<Slice> = (0..SLICES)
        .map(|n| Slice {
            from_s: from_s + n as f64 * width,
            to_s: from_s + (n + 1) as f64 * width,
            sorted: Vec::new(),
        })
        .collect();
    for latency in latencies {
        let place = ((latency.due_s - from_s) / width).max(0.0) as usize;
        if let Some(slice) = slices.get_mut(place.min(SLICES - 1)) {
            slice.sorted.push(latency.ms);
        }
    }
    slices.retain(|slice| !slice.sorted.is_empty());
    for slice in &mut slices {
        slice.sorted.sort_by(f64::total_cmp);
    }
    slices
}

impl Figure for OverTime {
    fn name(&self) -> &'static str {
        "latency-over-time"
    }

    fn title(&self) -> &'static str {
        "Latency from due, over time"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let latencies = &run.latencies;
        let (Some(first), Some(last)) = (latencies.first(), latencies.last()) else {
            return Ok(None);
        };
        let marks: Vec<(f64, &str)> = run
            .result
            .timeline
            .iter()
            .map(|row| (row.after_s, row.text.as_str()))
            .take(MOST_MARKS)
            .collect();
        let slices = slices(latencies, first.due_s, last.due_s);
        let is_many = latencies.len() > MOST_POINTS;
        let most = latencies.iter().map(|l| l.ms).fold(0.0, f64::max);
        let x = Axis::linear(
            "due, seconds since the load began",
            first.due_s.min(0.0),
            last.due_s,
        );
        let mut chart = Chart::new(x, Axis::from_zero("latency (ms)", most));
        if is_many {
            chart.legend = ["median", "from least to most"].map(str::to_owned).into();
        }
        let svg = chart.draw(|plot| {
            if is_many {
                draw_slices(plot, &slices)?;
            } else {
                let points = latencies.iter().map(|l| (l.due_s, l.ms));
                let style = PALETTE[0].mix(0.6).filled();
                plot.draw_series(points.map(|at| Circle::new(at, 2 * PIXEL, style)))?;
            }
            for (index, (at_s, _)) in marks.iter().enumerate() {
                let number = (index + 1).to_string();
                vertical_mark(plot, &chart, chart.x.place(*at_s), &number, index % 2)?;
            }
            Ok(())
        })?;
        let columns = [
            "from (s)",
            "to (s)",
            "photos",
            "least (ms)",
            "median (ms)",
            "most (ms)",
        ];
        let mut table = DataTable::new("Latency by time", &columns);
        for slice in &slices {
            let at = |share| number(quantile(&slice.sorted, share).unwrap_or_default());
            let ends = [slice.from_s, slice.to_s].map(|s| format!("{s:.1}"));
            let rest = [slice.sorted.len().to_string(), at(0.0), at(0.5), at(1.0)];
            table.row(ends.into_iter().chain(rest));
        }
        let mut caption = if is_many {
            format!("{} photos in {SLICES} slices of time.", latencies.len())
        } else {
            "Each point is a photo that was answered.".to_owned()
        };
        for (index, (at_s, text)) in marks.iter().enumerate() {
            caption.push_str(&format!(" {}: {at_s:.1} s, {text}.", index + 1));
        }
        let left = run.result.timeline.len().saturating_sub(MOST_MARKS);
        if left > 0 {
            caption.push_str(&format!(
                " {left} later events are in the table of events only."
            ));
        }
        Ok(Some(Drawn {
            svg,
            caption,
            table,
        }))
    }
}

fn draw_slices(plot: &mut crate::chart::Plot<'_, '_>, slices: &[Slice]) -> Result<(), DrawError> {
    let at = |slice: &Slice, share| {
        let middle = f64::midpoint(slice.from_s, slice.to_s);
        (middle, quantile(&slice.sorted, share).unwrap_or_default())
    };
    let up = slices.iter().map(|slice| at(slice, 1.0));
    let down = slices.iter().rev().map(|slice| at(slice, 0.0));
    let outline: Vec<(f64, f64)> = up.chain(down).collect();
    let range = Polygon::new(outline, PALETTE[1].mix(0.45).filled());
    plot.draw_series(std::iter::once(range))?;
    let median = slices.iter().map(|slice| at(slice, 0.5));
    plot.draw_series(LineSeries::new(median, line(PALETTE[0], 2.0)))?;
    Ok(())
}
