//! Statistics as upstream prints them, and percentiles as they should be read.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Mean and population standard deviation after upstream's trimming.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trimmed {
    pub mean: f64,
    /// Population standard deviation.
    pub stdev: f64,
}

/// Upstream's way: round each value to 4 decimals, drop negatives, sort, keep `[int(n * 0.05), int(n * 0.90))`,
/// then mean and population standard deviation, rounded to 2 decimals. `None` when nothing is left.
///
/// Source: upstream's `application/image_classification`; values are milliseconds.
pub fn upstream_trimmed(values_ms: &[f64]) -> Option<Trimmed> {
    let mut values: Vec<f64> = values_ms
        .iter()
        .filter(|v| **v >= 0.0)
        .map(|v| round_to(*v, 4))
        .collect();
    values.sort_by(f64::total_cmp);
    let low = (values.len() as f64 * 0.05) as usize;
    let high = (values.len() as f64 * 0.90) as usize;
    // With one value upstream keeps nothing; that value is the better answer.
    let kept = if high > low {
        values.get(low..high)?
    } else {
        values.as_slice()
    };
    if kept.is_empty() {
        return None;
    }
    let n = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / n;
    let variance = kept.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    Some(Trimmed {
        mean: round_to(mean, 2),
        stdev: round_to(variance.sqrt(), 2),
    })
}

/// Rounds half away from zero to so many decimals; never to minus zero.
pub fn round_to(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor + 0.0
}

/// The smallest of sorted values that a share (0 to 1) of all is not above; `None` of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// With fewer values than these a percentile hangs on fewer than ten of them, and would be another one in the next run.
pub const LEAST_FOR_P95: u64 = 200;
pub const LEAST_FOR_P99: u64 = 1000;

/// Distribution of one stage, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    pub mean_ms: f64,
    pub stdev_ms: f64,
    pub p50_ms: f64,
    /// 90th.
    pub p90_ms: f64,
    /// 95th; `None` of fewer than [`LEAST_FOR_P95`] values.
    pub p95_ms: Option<f64>,
    /// 99th; `None` of fewer than [`LEAST_FOR_P99`] values.
    pub p99_ms: Option<f64>,
    pub max_ms: f64,
}

/// Durations in microseconds, up to an hour, three significant digits. Merging loses nothing.
#[derive(Debug, Clone)]
pub struct LatencyHistogram(Histogram<u64>);

const HIGHEST_US: u64 = 3_600_000_000;

impl Default for LatencyHistogram {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_US, 3)
            .unwrap_or_else(|_| unreachable!("these bounds are allowed"));
        Self(histogram)
    }
}

impl LatencyHistogram {
    /// Adds one duration; negative ones count as zero.
    pub fn record_ns(&mut self, ns: i64) {
        let us = u64::try_from(ns / 1000).unwrap_or(0).min(HIGHEST_US);
        self.0.saturating_record(us);
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).ok();
    }

    /// `None` when empty.
    pub fn percentiles(&self) -> Option<Percentiles> {
        if self.0.is_empty() {
            return None;
        }
        let count = self.0.len();
        let ms = |us: f64| round_to(us / 1000.0, 3);
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile) as f64);
        Some(Percentiles {
            count,
            mean_ms: ms(self.0.mean()),
            stdev_ms: ms(self.0.stdev()),
            p50_ms: at(0.50),
            p90_ms: at(0.90),
            p95_ms: (count >= LEAST_FOR_P95).then(|| at(0.95)),
            p99_ms: (count >= LEAST_FOR_P99).then(|| at(0.99)),
            max_ms: ms(self.0.max() as f64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trimming_is_upstreams() {
        // 1..=20: int(20*.05)=1, int(20*.9)=18 -> 2..=18, mean 10.
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let t = upstream_trimmed(&values).unwrap();
        assert!((t.mean - 10.0).abs() < 1e-9);
        assert!((t.stdev - 4.9).abs() < 0.01, "{t:?}");
        assert!(upstream_trimmed(&[]).is_none());
        assert!(upstream_trimmed(&[-1.0]).is_none());
        assert_eq!(
            upstream_trimmed(&[7.0]).unwrap(),
            Trimmed {
                mean: 7.0,
                stdev: 0.0
            }
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(mean(&[1.0, 2.0]), Some(1.5));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn percentiles_merge_without_loss() {
        let (mut a, mut b, mut all) = (
            LatencyHistogram::default(),
            LatencyHistogram::default(),
            LatencyHistogram::default(),
        );
        for i in 0..1000_i64 {
            let target = if i % 2 == 0 { &mut a } else { &mut b };
            target.record_ns(i * 1_000_000);
            all.record_ns(i * 1_000_000);
        }
        a.merge(&b);
        assert_eq!(a.percentiles(), all.percentiles());
        let p = all.percentiles().unwrap();
        assert_eq!(p.count, 1000);
        assert!((p.p50_ms - 499.0).abs() < 1.0, "{p:?}");
        assert!(LatencyHistogram::default().percentiles().is_none());
    }

    #[test]
    fn a_percentile_of_too_few_values_is_none() {
        let of = |count: u64| {
            let mut histogram = LatencyHistogram::default();
            (0..count).for_each(|i| histogram.record_ns(i as i64 * 1_000_000));
            let percentiles = histogram.percentiles().unwrap();
            (percentiles.p95_ms.is_some(), percentiles.p99_ms.is_some())
        };
        let expected = [
            (199, (false, false)),
            (200, (true, false)),
            (999, (true, false)),
            (1000, (true, true)),
        ];
        for (count, has) in expected {
            assert_eq!(of(count), has, "{count} values");
        }
    }
}
