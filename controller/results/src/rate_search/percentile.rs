//! Percentiles that can be bounded.

use continuum_workload_core::stats::{LEAST_FOR_P95, LEAST_FOR_P99, Percentiles};
use serde::{Deserialize, Serialize};

/// Of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Percentile {
    P50,
    P90,
    P95,
    P99,
}

impl Percentile {
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// With fewer values it says nothing.
    pub fn least_values(self) -> u64 {
        match self {
            Self::P50 | Self::P90 => 1,
            Self::P95 => LEAST_FOR_P95,
            Self::P99 => LEAST_FOR_P99,
        }
    }

    /// `None` of too few values.
    pub fn of(self, all: &Percentiles) -> Option<f64> {
        match self {
            Self::P50 => Some(all.p50_ms),
            Self::P90 => Some(all.p90_ms),
            Self::P95 => all.p95_ms,
            Self::P99 => all.p99_ms,
        }
    }
}
