//! Application `stress`.

use super::{
    field::own,
    keys::{Key, Kind, both},
};

/// A program that keeps a core busy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stress {
    /// So long.
    pub timeout_s: f64,
}

pub(crate) const OPTIONS: [Key; 1] = [both(
    "benchmark.stress_timeout_s",
    "benchmark",
    "stress_app_timeout",
    Kind::Float(0.1, 864_000.0),
    "how long application stress keeps a core busy; required for stress",
)
.at(own!(Stress, own => own.timeout_s))
.quiet()];
