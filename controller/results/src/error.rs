//! What can go wrong when results are read and shown. A text fits after "failed to".

use continuum_host::error::Error;
use std::path::PathBuf;

/// What could not be read or shown, and why.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error("draw {what}")]
    Figure {
        what: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("render the report")]
    Page(#[from] minijinja::Error),
    #[error("unpack `{}`: {why}", path.display())]
    Archive { path: PathBuf, why: &'static str },
    #[error("read the {name} in `{}`", path.display())]
    Series {
        name: &'static str,
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("read `{}` as a result", path.display())]
    Result {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "read `{}`: its schema is {schema}, and this program knows {known} and older ones; use the continuum-ctl that made \
         it, or a newer one",
        path.display()
    )]
    NewerSchema {
        path: PathBuf,
        schema: u32,
        known: u32,
    },
    #[error("read `{}`", path.display())]
    Rows { path: PathBuf, source: csv::Error },
}

impl ResultsError {
    /// Wraps what plotters says.
    pub(crate) fn figure<E>(what: impl Into<String>) -> impl FnOnce(E) -> Error
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let what = what.into();
        move |error| {
            let source = error.into();
            Self::Figure { what, source }.into()
        }
    }
}

impl From<ResultsError> for Error {
    fn from(error: ResultsError) -> Self {
        Self::layer(error)
    }
}
