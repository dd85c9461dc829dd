//! Values that scatter as measured ones do, and are the same each time.

/// Normal values that stand for as many drawn ones, by Tukey's approximation.
pub(super) fn scattered(middle: f64, deviation: f64, count: u32) -> Vec<f64> {
    let quantile = |index: u32| {
        let share = (f64::from(index) + 0.5) / f64::from(count.max(1));
        middle + deviation * 4.91 * (share.powf(0.14) - (1.0 - share).powf(0.14))
    };
    (0..count).map(quantile).collect()
}
