//! Mean and spread of values that are independent of each other, as one of each run.

use continuum_workload_core::stats::mean;
use serde::Serialize;

/// Two-sided 95 % quantiles of Student's distribution for 1, 2, … degrees of freedom; beyond them the normal one is near.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
pub(super) const NORMAL: f64 = 1.960;

/// For so many values.
pub(super) fn student(count: usize) -> f64 {
    let at = count.checked_sub(2);
    at.map_or(f64::INFINITY, |at| {
        STUDENT.get(at).copied().unwrap_or(NORMAL)
    })
}

/// What values are like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) mean: f64,
    /// Sample standard deviation; `None` of one value.
    pub(crate) stdev: Option<f64>,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Where the mean of all such values is, with 95 % confidence, by Student's distribution; `None` of one value.
    pub(crate) interval_95: Option<(f64, f64)>,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        let count = values.len();
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let stdev = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        let half = stdev.map(|stdev| student(count) * stdev / (count as f64).sqrt());
        Some(Self {
            count,
            mean,
            stdev,
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            interval_95: half.map(|half| (mean - half, mean + half)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let five = Spread::of(&[10.0, 11.0, 12.0, 13.0, 14.0]).unwrap();
        assert!((five.mean - 12.0).abs() < 1e-9);
        assert!((five.stdev.unwrap() - 1.581).abs() < 1e-3, "{five:?}");
        let (from, to) = five.interval_95.unwrap();
        assert!(
            (from - 10.037).abs() < 1e-2 && (to - 13.963).abs() < 1e-2,
            "{five:?}"
        );
        let one = Spread::of(&[3.0]).unwrap();
        assert_eq!((one.stdev, one.interval_95), (None, None));
        assert_eq!(Spread::of(&[]), None);
    }
}
