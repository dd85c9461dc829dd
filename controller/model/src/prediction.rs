//! What a stage was expected to take, beside what it took.

use serde::{Deserialize, Serialize};

/// Of one stage, or of all of them; means of the same photos, milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagePrediction {
    /// As in `stages_ms`, and [`REPLY`](super::stage::REPLY).
    pub stage: String,
    /// `None` = not predicted.
    pub expected_ms: Option<f64>,
    pub measured_ms: f64,
    /// Measured less expected.
    pub error_ms: Option<f64>,
    /// What the expectation comes from, or why there is none.
    pub basis: String,
}

impl StagePrediction {
    pub fn new(
        stage: &str,
        expected: Result<f64, &str>,
        measured_ms: f64,
        basis: &'static str,
    ) -> Self {
        Self {
            stage: stage.to_owned(),
            expected_ms: expected.ok(),
            measured_ms,
            error_ms: expected.ok().map(|expected_ms| measured_ms - expected_ms),
            basis: expected
                .map_or_else(|why| format!("not predicted: {why}"), |_| basis.to_owned()),
        }
    }

    /// The error as text, with its share of what was expected where that is not next to nothing.
    pub fn error(&self) -> Option<String> {
        let (expected_ms, error_ms) = (self.expected_ms?, self.error_ms?);
        let share = if expected_ms >= LEAST_FOR_SHARE_MS {
            format!(" ({:+.0} %)", error_ms / expected_ms * 100.0)
        } else {
            String::new()
        };
        Some(format!("{error_ms:+.2}{share}"))
    }
}

/// Shares of less are shares of noise.
const LEAST_FOR_SHARE_MS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_what_was_measured_beyond_what_was_expected() {
        let row = StagePrediction::new("2_uplink", Ok(40.0), 50.0, "sizes and links");
        assert_eq!(row.error().as_deref(), Some("+10.00 (+25 %)"));
        let fast = StagePrediction::new("3_queue", Ok(0.0), 0.3, "arrivals");
        assert_eq!(fast.error().as_deref(), Some("+0.30"));
        let unknown = StagePrediction::new("2_uplink", Err("links are not emulated"), 50.0, "");
        assert_eq!((unknown.error(), unknown.expected_ms), (None, None));
        assert_eq!(unknown.basis, "not predicted: links are not emulated");
    }
}
