//! A page from its sections: one file, without scripts, that needs nothing from elsewhere.

pub(crate) mod run;
mod sections;

use crate::{data_table::DataTable, error::ResultsError, figures::Named};
use continuum_host::error::Error;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

/// The page of a result directory.
pub const PAGE_FILE: &str = "report.html";

/// A page before it is text.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) title: String,
    /// When, what, by whom.
    pub(crate) subtitle: String,
    pub(crate) badge: Badge,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) sections: Vec<Section>,
}

/// Whether the numbers may be used, before any of them.
#[derive(Debug, Serialize)]
pub(crate) struct Badge {
    /// Class of the style sheet.
    pub(crate) class: &'static str,
    pub(crate) word: String,
    pub(crate) meaning: String,
}

/// A number that one looks for first.
#[derive(Debug, Serialize)]
pub(crate) struct Tile {
    pub(crate) value: String,
    pub(crate) label: String,
}

/// A part of the page with a heading; what is empty is not shown.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: String,
    pub(crate) lists: Vec<List>,
    pub(crate) tables: Vec<DataTable>,
    pub(crate) figures: Vec<PageFigure>,
    /// Tables that one opens.
    pub(crate) folded: Vec<DataTable>,
}

impl Section {
    /// What came of a command of several runs, and what stands against some of them.
    pub(crate) fn of_runs(against: List, table: DataTable, figure: Option<Named>) -> Self {
        Self {
            id: "runs",
            title: "Runs",
            lists: Vec::from_iter((!against.items.is_empty()).then_some(against)),
            tables: vec![table],
            figures: figure.map(PageFigure::from).into_iter().collect(),
            ..Self::default()
        }
    }
}

/// Sentences under a word.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    pub(crate) title: &'static str,
    pub(crate) items: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PageFigure {
    id: &'static str,
    title: &'static str,
    caption: String,
    svg: String,
    table: DataTable,
}

impl From<Named> for PageFigure {
    /// The drawing gets its title as its name for who does not see it.
    fn from(figure: Named) -> Self {
        let Named { name, title, drawn } = figure;
        let label = format!("<svg role=\"img\" aria-label=\"{title}\" ");
        Self {
            id: name,
            title,
            caption: drawn.caption,
            svg: drawn.svg.replacen("<svg ", &label, 1),
            table: drawn.table,
        }
    }
}

impl Page {
    /// As HTML.
    pub(crate) fn render(&self) -> Result<String, Error> {
        let failed = ResultsError::Page;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let template = include_str!("../../templates/page.html");
        environment
            .add_template("page.html", template)
            .map_err(failed)?;
        environment.add_global("style", include_str!("../../templates/style.css"));
        let page = environment.get_template("page.html").map_err(failed)?;
        Ok(page.render(Serde(self)).map_err(failed)?)
    }
}
