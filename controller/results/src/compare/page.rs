//! The page of a comparison.

use super::{Comparison, StageComparison, signed, verdict};
use crate::{
    chart::{Axis, Chart, DrawError, MARK, PIXEL, colour, line},
    data_table::DataTable,
    error::ResultsError,
    figures::{Drawn, Named},
    page::{Badge, List, Page, PageFigure, Section},
};
use continuum_host::error::Error;
use plotters::prelude::*;

/// Every difference with its interval, one above the other.
fn draw(stages: &[&StageComparison], names: usize) -> Result<Drawn, DrawError> {
    let labels: Vec<String> = stages
        .iter()
        .map(|stage| {
            if names > 2 {
                format!("{} {}", stage.stage, stage.with)
            } else {
                stage.stage.clone()
            }
        })
        .collect();
    let intervals: Vec<_> = stages
        .iter()
        .filter_map(|stage| stage.difference_ms)
        .collect();
    let low = intervals.iter().map(|d| d.interval.0).fold(0.0, f64::min);
    let high = intervals.iter().map(|d| d.interval.1).fold(0.0, f64::max);
    let chart = Chart::new(
        Axis::linear("difference to the first (ms)", low, high),
        Axis::names(&labels),
    );
    let svg = chart.draw(|plot| {
        let zero = [(0.0, chart.y.from), (0.0, chart.y.to)];
        plot.draw_series(LineSeries::new(zero, line(MARK, 1.0)))?;
        for (index, stage) in stages.iter().enumerate() {
            let Some(difference) = stage.difference_ms else {
                continue;
            };
            let at = (stages.len() - index) as f64 - 0.5;
            let style = if stage.is_significant {
                colour(3)
            } else {
                colour(0)
            };
            let ends = [(difference.interval.0, at), (difference.interval.1, at)];
            plot.draw_series(LineSeries::new(ends, line(style, 3.0)))?;
            let point = Circle::new((difference.estimate, at), 5 * PIXEL, style.filled());
            plot.draw_series(std::iter::once(point))?;
        }
        Ok(())
    })?;
    let columns = [
        "stage",
        "difference (ms)",
        "from (ms)",
        "to (ms)",
        "significant",
    ];
    let mut table = DataTable::new("Differences with their intervals", &columns);
    for (stage, label) in stages.iter().zip(labels) {
        if let Some(d) = stage.difference_ms {
            let numbers = [d.estimate, d.interval.0, d.interval.1].map(signed);
            table.row(
                std::iter::once(label)
                    .chain(numbers)
                    .chain([verdict(stage)]),
            );
        }
    }
    Ok(Drawn {
        svg,
        caption: "Point: the difference; line: where it is, all of them together with 95 %. What crosses zero may be chance.".into(),
        table,
    })
}

impl Comparison {
    /// Its page as HTML.
    pub fn page(&self) -> Result<String, Error> {
        let mut results = DataTable::new("Medians, and what differs", &Self::COLUMNS);
        results.rows = self.rows();
        results.note = self.method();
        let shown: Vec<&StageComparison> = self
            .stages
            .iter()
            .filter(|s| s.difference_ms.is_some())
            .collect();
        let mut figures = Vec::new();
        if !shown.is_empty() {
            let drawn = draw(&shown, self.names.len());
            let drawn = drawn.map_err(ResultsError::figure("differences"))?;
            figures.push(PageFigure::from(Named {
                name: "differences",
                title: "Difference by stage",
                drawn,
            }));
        }
        let mut settings = DataTable::new(
            "What they were made with, as far as it differs",
            &["kind", "what"],
        );
        settings.columns.extend(self.names.iter().cloned());
        for setting in &self.settings {
            let head = [setting.kind.to_owned(), setting.name.clone()];
            settings.row(head.into_iter().chain(setting.values.iter().cloned()));
        }
        let lists = Vec::from_iter((!self.notes.is_empty()).then(|| List {
            title: "What its reader must know",
            items: self.notes.clone(),
        }));
        let is_same = self.settings.is_empty();
        let section = |id, title| Section {
            id,
            title,
            ..Section::default()
        };
        let page = Page {
            title: self.names.join(" and "),
            subtitle: self
                .names
                .iter()
                .zip(&self.runs)
                .map(|(name, runs)| format!("{name}: {runs} runs"))
                .collect::<Vec<_>>()
                .join(" · "),
            badge: Badge {
                class: "unverified",
                word: "Comparison:".into(),
                meaning: self.conclusion(),
            },
            tiles: Vec::new(),
            sections: vec![
                Section {
                    lists,
                    tables: vec![results],
                    figures,
                    ..section("results", "Results")
                },
                Section {
                    text: if is_same {
                        "Nothing: config, machines, software and host are the same.".into()
                    } else {
                        String::new()
                    },
                    tables: Vec::from_iter((!is_same).then_some(settings)),
                    ..section("settings", "What differs in how they were made")
                },
            ],
        };
        page.render()
    }
}
