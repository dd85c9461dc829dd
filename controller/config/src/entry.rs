//! One option as written, in either spelling.

use super::{function_load::FunctionLoad, link_override::LinkOverride, timeline::TimelineStep};

/// Where an option stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// File name, or `--set`.
    pub file: String,
    /// From 1; 0 = not in a file.
    pub line: usize,
    /// As the user wrote it: `infrastructure.cloud.nodes`, or `[infrastructure] cloud_nodes`.
    pub key: String,
    /// TOML path of the option, however it was written; of what is no option, its section and its name.
    pub path: String,
}

/// A value before it is checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    /// A value of a `.cfg`: whatever its option takes it for.
    Raw(String),
    /// The same, in gigabytes; ours is in mebibytes.
    Gigabytes(String),
    /// The same, for an option that means the opposite of ours.
    Not(String),
    /// Whole number.
    Int(i64),
    /// Number with a fraction.
    Float(f64),
    /// Truth value.
    Bool(bool),
    /// List of texts.
    List(Vec<String>),
    /// Tables, or the one line that each of them may be written as.
    Rows(Vec<Row>),
    /// Rows of a timeline, read.
    Timeline(Vec<TimelineStep>),
    /// Rows of functions, read.
    Functions(Vec<FunctionLoad>),
    /// Rows of links of nodes, read.
    Overrides(Vec<LinkOverride>),
}

/// One of several tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it stands; 0 = not in a file.
    pub line: usize,
    /// A table, or a text.
    pub value: serde_json::Value,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) | Self::Raw(text) | Self::Not(text) => f.write_str(text),
            Self::Gigabytes(text) => write!(f, "{text} GB"),
            Self::Int(n) => n.fmt(f),
            // 2.0 and not 2: a fraction is what may be wrong with it.
            Self::Float(n) => write!(f, "{n:?}"),
            Self::Bool(b) => b.fmt(f),
            Self::List(list) => f.write_str(&list.join(",")),
            Self::Rows(rows) => write!(f, "{} rows", rows.len()),
            Self::Timeline(steps) => write!(f, "{} steps", steps.len()),
            Self::Functions(loads) => write!(f, "{} functions", loads.len()),
            Self::Overrides(rows) => write!(f, "{} links", rows.len()),
        }
    }
}

/// An option with its TOML path, whatever the spelling.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// As `infrastructure.cloud.nodes`.
    pub path: String,
    pub value: Value,
    pub place: Place,
}
