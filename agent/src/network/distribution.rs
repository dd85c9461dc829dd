//! How delays spread around their mean: tables for netem, which draws from them evenly.

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Values of a table; the kernel takes up to 16384.
const VALUES: usize = 4096;
/// What netem writes a standard deviation as.
const SCALE: f64 = 8192.0;
/// netem's values have 16 bits.
const MOST: f64 = 3.99;
/// As iproute2's table has it.
const PARETO_SHAPE: f64 = 3.0;

/// How delays spread around their mean. The standard deviation is the jitter in all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Distribution {
    /// Evenly.
    None,
    #[default]
    Normal,
    /// Few that are much longer than the others.
    Pareto,
}

static NONE: LazyLock<Vec<i16>> = LazyLock::new(|| Distribution::None.made());
static NORMAL: LazyLock<Vec<i16>> = LazyLock::new(|| Distribution::Normal.made());
static PARETO: LazyLock<Vec<i16>> = LazyLock::new(|| Distribution::Pareto.made());

impl Distribution {
    /// For netem: quantiles, with mean 0 and standard deviation 1. Made once.
    pub(super) fn table(self) -> &'static [i16] {
        match self {
            Self::None => &NONE,
            Self::Normal => &NORMAL,
            Self::Pareto => &PARETO,
        }
    }

    fn made(self) -> Vec<i16> {
        let mut values = match self {
            Self::None => quantiles(|u| 2.0 * u - 1.0),
            Self::Normal => normal_quantiles(),
            Self::Pareto => quantiles(|u| (1.0 - u).powf(-1.0 / PARETO_SHAPE)),
        };
        // What is cut off at the end of a tail moves both.
        for _ in 0..8 {
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            for value in &mut values {
                *value = ((*value - mean) / variance.sqrt()).clamp(-MOST, MOST);
            }
        }
        let written = values.iter().map(|v| (v * SCALE).round() as i16);
        written.collect()
    }
}

fn share(index: usize) -> f64 {
    (index as f64 + 0.5) / VALUES as f64
}

fn quantiles(quantile: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..VALUES).map(|index| quantile(share(index))).collect()
}

/// By adding up the density.
fn normal_quantiles() -> Vec<f64> {
    const STEP: f64 = 1e-4;
    let mut quantiles = Vec::with_capacity(VALUES);
    let (mut x, mut below) = (-6.0_f64, 0.0);
    while quantiles.len() < VALUES && x < 6.0 {
        let middle = x + STEP / 2.0;
        below += STEP * (-middle * middle / 2.0).exp() / std::f64::consts::TAU.sqrt();
        x += STEP;
        while quantiles.len() < VALUES && share(quantiles.len()) <= below {
            quantiles.push(x);
        }
    }
    quantiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_the_mean_and_the_deviation_that_netem_takes_it_for() {
        for distribution in [
            Distribution::None,
            Distribution::Normal,
            Distribution::Pareto,
        ] {
            let table = distribution.table();
            assert_eq!(table.len(), VALUES, "{distribution:?}");
            let values = || table.iter().map(|v| f64::from(*v) / SCALE);
            let mean = values().sum::<f64>() / VALUES as f64;
            let deviation = (values().map(|v| v * v).sum::<f64>() / VALUES as f64).sqrt();
            assert!(mean.abs() < 0.002, "{distribution:?}: mean {mean}");
            assert!(
                (deviation - 1.0).abs() < 0.005,
                "{distribution:?}: deviation {deviation}"
            );
        }
    }

    #[test]
    fn a_normal_table_has_the_quantiles_of_the_textbook() {
        let table = Distribution::Normal.table();
        for (share, want) in [(0.5, 0.0), (0.8413, 1.0), (0.9772, 2.0), (0.1587, -1.0)] {
            let at = f64::from(table[(share * VALUES as f64) as usize]) / SCALE;
            assert!((at - want).abs() < 0.01, "{share}: {at}");
        }
    }
}
