//! The page of a sweep: one table, one figure.

use super::{Outcome, Sweep};
use crate::{
    chart::{Axis, Chart, DrawError, PIXEL, colour, line},
    data_table::{DataTable, number},
    error::ResultsError,
    figures::{Drawn, Named},
    page::{Badge, List, Page, Section},
};
use continuum_host::error::Error;
use continuum_model::END_TO_END;
use plotters::prelude::*;
use std::collections::BTreeMap;

/// Medians against the first thing that was varied; a line for each combination of the others.
type Lines = BTreeMap<String, Vec<(f64, f64)>>;

/// `None` where the first thing that was varied is no number.
fn lines(sweep: &Sweep, outcomes: &[Outcome]) -> Option<Lines> {
    let mut lines = Lines::new();
    for outcome in outcomes {
        let (first, others) = outcome.values.split_first()?;
        let at: f64 = first.parse().ok()?;
        let keys = sweep.variations.iter().skip(1).map(|v| v.key.as_str());
        // The last word of a path is enough to tell them apart on a figure.
        let name = keys.zip(others).map(|(key, value)| {
            let word = key.rsplit_once('.').map_or(key, |(_, word)| word);
            format!("{word} {value}")
        });
        let name = name.collect::<Vec<_>>().join(", ");
        if let Some(whole) = outcome.result.stages_ms.get(END_TO_END) {
            lines.entry(name).or_default().push((at, whole.p50_ms));
        }
    }
    for line in lines.values_mut() {
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Some(lines).filter(|lines| !lines.is_empty())
}

fn draw(key: &str, lines: &Lines) -> Result<Drawn, DrawError> {
    let points = || lines.values().flatten();
    let least = points().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let most = points()
        .map(|(at, _)| *at)
        .fold(f64::NEG_INFINITY, f64::max);
    let highest = points().map(|(_, ms)| *ms).fold(0.0, f64::max);
    let mut chart = Chart::new(
        Axis::linear(key, least, most),
        Axis::from_zero("p50 from due (ms)", highest),
    );
    if lines.len() > 1 {
        chart.legend = lines.keys().cloned().collect();
    }
    let svg = chart.draw(|plot| {
        for (index, points) in lines.values().enumerate() {
            let style = colour(index);
            plot.draw_series(LineSeries::new(points.iter().copied(), line(style, 2.0)))?;
            plot.draw_series(
                points
                    .iter()
                    .map(|at| Circle::new(*at, 4 * PIXEL, style.filled())),
            )?;
        }
        Ok(())
    })?;
    let mut table = DataTable::new(
        "Medians of the latency from due",
        &[key, "line", "p50 (ms)"],
    );
    for (name, line) in lines {
        for (at, ms) in line {
            table.row([at.to_string(), name.clone(), number(*ms)]);
        }
    }
    Ok(Drawn {
        svg,
        caption: format!("Median latency from due of each run, by {key}."),
        table,
    })
}

/// `None` where there is nothing to be drawn yet.
pub(super) fn figure(sweep: &Sweep, outcomes: &[Outcome]) -> Result<Option<Named>, Error> {
    let (Some(first), Some(lines)) = (sweep.variations.first(), lines(sweep, outcomes)) else {
        return Ok(None);
    };
    let drawn = draw(&first.key, &lines).map_err(ResultsError::figure("the sweep"))?;
    Ok(Some(Named {
        name: "sweep",
        title: "Latency by what was varied",
        drawn,
    }))
}

pub(super) fn page(
    sweep: &Sweep,
    outcomes: &[Outcome],
    rows: &[Vec<String>],
) -> Result<Page, Error> {
    let mut table = DataTable::new("Every run; percentiles are of the latency from due", &[]);
    table.columns = sweep.columns();
    table.rows = rows.to_vec();
    let invalid = outcomes
        .iter()
        .filter(|outcome| !outcome.result.invalid_reasons.is_empty());
    let items: Vec<String> = invalid
        .map(|outcome| {
            format!(
                "{}: {}",
                outcome.values.join(", "),
                outcome.result.invalid_reasons.join("; ")
            )
        })
        .collect();
    let (done, all) = (outcomes.len(), sweep.points.len());
    let (class, meaning) = match items.len() {
        0 => ("unverified", "None is invalid.".to_owned()),
        some => (
            "invalid",
            format!("{some} of them are invalid and must not be used."),
        ),
    };
    let keys: Vec<&str> = sweep.variations.iter().map(|v| v.key.as_str()).collect();
    let against = List {
        title: "Reasons against runs",
        items,
    };
    Ok(Page {
        title: format!("Sweep over {}", keys.join(" and ")),
        subtitle: String::new(),
        badge: Badge {
            class,
            word: format!("{done} of {all} runs are done."),
            meaning,
        },
        tiles: Vec::new(),
        sections: vec![Section::of_runs(against, table, figure(sweep, outcomes)?)],
    })
}
