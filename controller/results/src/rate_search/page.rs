//! The page of a search: one table, one figure.

use super::{RateSearch, Trial};
use crate::{
    chart::{Axis, Chart, DrawError, PIXEL, colour, horizontal_mark},
    data_table::{DataTable, number},
    error::ResultsError,
    figures::{Drawn, Named},
    page::{Badge, List, Page, Section},
};
use continuum_host::error::Error;
use continuum_model::Validity;
use plotters::prelude::*;

/// What the figure calls rates by what came of them, in the order of its colours.
const WORDS: [&str; 2] = ["met", "missed"];

/// `None` where no rate had enough answers.
fn draw(search: &RateSearch) -> Result<Option<Drawn>, DrawError> {
    let name = search.goal.percentile.name();
    let points = search.trials.iter();
    let points: Vec<(&Trial, f64)> = points
        .filter_map(|trial| Some((trial, trial.value_ms?)))
        .collect();
    if points.is_empty() {
        return Ok(None);
    }
    let below_ms = search.goal.below_ms;
    let rates = || points.iter().map(|(trial, _)| trial.rate_hz);
    let values = || points.iter().map(|(_, ms)| *ms).chain([below_ms]);
    // Beyond what can be carried, a latency is as long as the load.
    let y = Axis::logarithmic(
        &format!("{name} from due (ms), logarithmic"),
        values().fold(f64::INFINITY, f64::min),
        values().fold(0.0, f64::max),
    );
    let x = Axis::from_zero(
        "photos a second of each endpoint",
        rates().fold(0.0, f64::max),
    );
    let mut chart = Chart::new(x, y);
    chart.legend = WORDS.map(str::to_owned).into();
    let svg = chart.draw(|plot| {
        for (trial, ms) in &points {
            let style = colour(usize::from(!trial.is_met)).filled();
            let at = (trial.rate_hz, chart.y.place(*ms));
            plot.draw_series(std::iter::once(Circle::new(at, 4 * PIXEL, style)))?;
        }
        let word = format!("bound {} ms", number(below_ms));
        horizontal_mark(plot, &chart, chart.y.place(below_ms), &word)
    })?;
    let mut table = DataTable::new(
        "Rates that were tried",
        &["photos a second", &format!("{name} (ms)"), "bound"],
    );
    for (trial, ms) in &points {
        let word = WORDS[usize::from(!trial.is_met)];
        table.row([trial.rate_hz.to_string(), number(*ms), word.to_owned()]);
    }
    Ok(Some(Drawn {
        svg,
        caption: format!(
            "{name} of the latency from due at each rate that was tried, and the bound."
        ),
        table,
    }))
}

/// `None` where there is nothing to be drawn yet.
pub(super) fn figure(search: &RateSearch) -> Result<Option<Named>, Error> {
    let drawn = draw(search).map_err(ResultsError::figure("the rates"))?;
    Ok(drawn.map(|drawn| Named {
        name: "rates",
        title: "Latency by rate",
        drawn,
    }))
}

pub(super) fn page(search: &RateSearch) -> Result<Page, Error> {
    let mut table = DataTable::new("Every run; times are of the latency from due", &[]);
    table.columns = search.columns();
    table.rows = search.rows();
    let invalid = search.trials.iter();
    let invalid = invalid.filter(|trial| trial.validity == Validity::Invalid);
    let items: Vec<String> = invalid
        .map(|trial| format!("{} photos a second: {}", trial.rate_hz, trial.result))
        .collect();
    let against = List {
        title: "Runs that are invalid, as those at too high a rate are; their pages say why",
        items,
    };
    Ok(Page {
        title: format!(
            "Highest rate with {} below {} ms",
            search.goal.percentile.name(),
            number(search.goal.below_ms)
        ),
        subtitle: String::new(),
        badge: Badge {
            class: "unverified",
            word: format!("{} runs.", search.trials.len()),
            meaning: search.conclusion(),
        },
        tiles: Vec::new(),
        sections: vec![Section::of_runs(against, table, figure(search)?)],
    })
}
