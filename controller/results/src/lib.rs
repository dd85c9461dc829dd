//! What result directories say, read from their files alone: report pages, figures, what differs between runs.
//!
//! ```text
//! read/         a result directory -> what it holds
//! statistics/   quantiles, histograms, intervals
//! error         what can go wrong
//! chart         axes and colours of all figures
//! figures/      one trait, one file for each figure, one list
//! page/         sections of a report, and the page that they make
//! group         runs that were made alike
//! compare/      groups beside each other
//! summary       one group over its runs
//! sweep         a matrix of runs
//! rate_search   runs at one rate after the other, towards a bound
//! archive       a result directory as one file
//! report        the files that a report is
//! series        what a command of several runs has done, to go on from
//! whole         files that are whole or not there
//! ```
//! Nothing here asks a node or knows a deployment: a report can be made again from its directory on any machine.

mod archive;
mod chart;
mod compare;
mod data_table;
pub mod error;
mod figures;
mod flat;
mod group;
mod page;
mod rate_search;
mod read;
mod report;
mod series;
mod statistics;
mod summary;
mod sweep;
mod whole;

pub use archive::{pack, unpack};
pub use compare::{Comparison, Setting};
pub use page::PAGE_FILE;
pub use rate_search::{Next, Percentile, RATE_FILE, RateGoal, RateSearch, Trial};
pub use read::{RESULT_FILE, RESULT_SCHEMA_VERSION, check, directory_name, is_result};
pub use report::{write_figures, write_page};
pub use series::Series;
pub use summary::{SUMMARY_FILE, Summary};
pub use sweep::{Outcome, Point, SWEEP_FILE, Sweep, Variation};
pub use whole::write_whole;
