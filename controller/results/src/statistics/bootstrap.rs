//! Whether two groups of values differ by more than chance: a bootstrap of the difference of their means.

use super::spread::{NORMAL, student};
use continuum_workload_core::stats::{mean, quantile};
use serde::Serialize;

/// How the bootstrap is done; part of what is said about its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bootstrap {
    pub(crate) seed: u64,
    pub(crate) resamples: u32,
    /// How many differences are looked at together: with each of them at 95 %, one of twenty would be found by chance.
    pub(crate) comparisons: u32,
}

/// How far one group is from another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// Mean of the other one minus mean of the first.
    pub(crate) estimate: f64,
    /// Where it is, so that with 95 % confidence no interval of all that are looked at together misses its value.
    pub(crate) interval: (f64, f64),
}

impl Difference {
    /// It is not by chance.
    pub(crate) fn is_significant(&self) -> bool {
        self.interval.0 > 0.0 || self.interval.1 < 0.0
    }
}

/// Numbers that are the same for the same seed (splitmix64); what is drawn must be the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }

    /// Mean of as many values as there are, each drawn from all.
    fn resampled_mean(&mut self, values: &[f64]) -> f64 {
        let drawn = (0..values.len()).filter_map(|_| values.get(self.below(values.len())));
        drawn.sum::<f64>() / values.len() as f64
    }
}

impl Bootstrap {
    /// `None` where a group has fewer than two values, which says nothing about chance.
    pub(crate) fn difference(&self, first: &[f64], other: &[f64]) -> Option<Difference> {
        let least = first.len().min(other.len());
        if least < 2 {
            return None;
        }
        let estimate = mean(other)? - mean(first)?;
        let mut random = Random(self.seed);
        let mut drawn: Vec<f64> = (0..self.resamples)
            .map(|_| random.resampled_mean(other) - random.resampled_mean(first) - estimate)
            .collect();
        drawn.sort_by(f64::total_cmp);
        // Few values vary less among themselves than what they were drawn from, and say less about how much that is.
        let few = (least as f64 / (least - 1) as f64).sqrt() * student(least) / NORMAL;
        let tail = 0.025 / f64::from(self.comparisons.max(1));
        let at = |share| quantile(&drawn, share).map(|deviation| deviation * few);
        Some(Difference {
            estimate,
            interval: (estimate + at(tail)?, estimate + at(1.0 - tail)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap {
        seed: 1,
        resamples: 2000,
        comparisons: 1,
    };

    /// About normal: twelve evenly distributed numbers.
    fn noise(random: &mut Random) -> f64 {
        (0..12)
            .map(|_| random.below(1000) as f64 / 1000.0)
            .sum::<f64>()
            - 6.0
    }

    #[test]
    fn what_is_the_same_differs_by_chance_only_about_as_often_as_is_said() {
        for count in [5, 20] {
            let mut random = Random(7);
            let mut found = 0;
            for _ in 0..400 {
                let mut group = || {
                    (0..count)
                        .map(|_| 100.0 + noise(&mut random))
                        .collect::<Vec<_>>()
                };
                let difference = BOOTSTRAP.difference(&group(), &group()).unwrap();
                found += u32::from(difference.is_significant());
            }
            // 5 % of 400 are 20.
            assert!(found < 32, "{found} of 400 groups of {count}");
        }
    }

    #[test]
    fn what_differs_by_much_is_found() {
        let mut random = Random(3);
        let mut group = |mean: f64| {
            (0..5)
                .map(|_| mean + noise(&mut random))
                .collect::<Vec<_>>()
        };
        let difference = BOOTSTRAP.difference(&group(70.0), &group(90.0)).unwrap();
        assert!(difference.is_significant(), "{difference:?}");
        assert!((difference.estimate - 20.0).abs() < 3.0, "{difference:?}");
        let again = BOOTSTRAP.difference(&[1.0, 2.0], &[1.0, 2.0]);
        assert_eq!(again, BOOTSTRAP.difference(&[1.0, 2.0], &[1.0, 2.0]));
    }

    #[test]
    fn one_value_says_nothing_about_chance() {
        assert_eq!(BOOTSTRAP.difference(&[1.0], &[2.0, 3.0]), None);
    }
}
