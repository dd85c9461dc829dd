//! What numbers of links, and of their traces, may be.

use std::ops::RangeInclusive;

pub(super) const LATENCY_MS: RangeInclusive<f64> = 0.0..=60_000.0;
pub(super) const PERCENT: RangeInclusive<f64> = 0.0..=100.0;
pub(super) const RATE_MBIT: RangeInclusive<f64> = 0.001..=1_000_000.0;
