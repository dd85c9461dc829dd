//! Application `empty`.

use super::{
    field::own,
    keys::{Key, Kind, both},
};

/// A program that sleeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Empty {
    /// So long.
    pub sleep_time_s: f64,
}

pub(crate) const OPTIONS: [Key; 1] = [both(
    "benchmark.sleep_time_s",
    "benchmark",
    "sleep_time",
    Kind::Float(0.1, 864_000.0),
    "how long application empty sleeps; required for empty",
)
.at(own!(Empty, own => own.sleep_time_s))
.quiet()];
