//! Values counted by ranges of equal width.

/// A range and how many values are in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bin {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) count: u64,
}

/// So many ranges from `from` to `to`; what is outside counts in the first or the last one.
pub(crate) fn bins(
    values: impl Iterator<Item = f64>,
    from: f64,
    to: f64,
    count: usize,
) -> Vec<Bin> {
    let width = (to - from) / count as f64;
    let mut bins: Vec<Bin> = (0..count)
        .map(|n| Bin {
            from: from + n as f64 * width,
            to: from + (n + 1) as f64 * width,
            count: 0,
        })
        .collect();
    for value in values {
        let place = ((value - from) / width).max(0.0) as usize;
        let last = count.saturating_sub(1);
        if let Some(bin) = bins.get_mut(place.min(last)) {
            bin.count += 1;
        }
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_left_out() {
        let values = [-1.0, 0.0, 0.5, 1.0, 3.9, 4.0, 99.0];
        let counts: Vec<u64> = bins(values.into_iter(), 0.0, 4.0, 4)
            .iter()
            .map(|b| b.count)
            .collect();
        assert_eq!(counts, [3, 1, 0, 3]);
    }
}
