//! One axis: its range, and where numbers stand on it.

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use std::ops::Range;

/// About so many numbers stand on an axis.
const TICKS: f64 = 5.0;

/// A range with numbers, or with names.
pub(crate) struct Axis {
    /// With its unit.
    pub(crate) label: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    ticks: Vec<f64>,
    scale: Scale,
}

enum Scale {
    /// Numbers with so many decimals.
    Linear(usize),
    /// Coordinates are logarithms to base 10.
    Logarithmic,
    /// Name `n` stands at `n` + ½.
    Names(Vec<String>),
}

impl std::fmt::Debug for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}..{}", self.label, self.from, self.to)
    }
}

/// An axis as the drawing knows it.
#[derive(Debug)]
pub(crate) struct Coordinates {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Coordinates {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        (f64::from(low) + share * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// The smallest of 1, 2, 5, 10, 20, … that is not below.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps
        .iter()
        .find(|step| **step * power >= value * 0.999_999);
    step.unwrap_or(&10.0) * power
}

impl Axis {
    /// From zero to a round number that is not below `to`.
    pub(crate) fn from_zero(label: &str, to: f64) -> Self {
        Self::linear(label, 0.0, to)
    }

    /// From a round number to a round number, with both inside.
    pub(crate) fn linear(label: &str, from: f64, to: f64) -> Self {
        let length = if to > from { to - from } else { 1.0 };
        let step = round_up(length / TICKS);
        let first = (from / step).floor();
        let last = (to / step - 1e-9).ceil().max(first + 1.0);
        let ticks = (0..=(last - first) as u32).map(|n| (first + f64::from(n)) * step);
        Self {
            label: label.to_owned(),
            from: first * step,
            to: last * step,
            ticks: ticks.collect(),
            scale: Scale::Linear((-step.log10().floor()).max(0.0) as usize),
        }
    }

    /// Of numbers above zero.
    pub(crate) fn logarithmic(label: &str, from: f64, to: f64) -> Self {
        let (from, to) = (from.max(1e-3).log10(), to.max(2e-3).log10());
        let decades = (from.floor() as i32)..=(to.ceil() as i32);
        // Few decades have room for the numbers between.
        let between: &[f64] = match to - from {
            few if few < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let ticks: Vec<f64> = decades
            .flat_map(|decade| between.iter().map(move |n| f64::from(decade) + n.log10()))
            .collect();
        let low = ticks.iter().rev().find(|tick| **tick <= from + 1e-9);
        let high = ticks.iter().find(|tick| **tick >= to - 1e-9);
        let (low, high) = (*low.unwrap_or(&from), *high.unwrap_or(&to));
        Self {
            label: label.to_owned(),
            from: low,
            to: high,
            ticks: ticks
                .into_iter()
                .filter(|t| (low..=high).contains(t))
                .collect(),
            scale: Scale::Logarithmic,
        }
    }

    /// Names one above the other, the first at the top.
    pub(crate) fn names(names: &[String]) -> Self {
        let count = names.len() as f64;
        Self {
            label: String::new(),
            from: 0.0,
            to: count,
            ticks: (0..names.len()).map(|n| n as f64 + 0.5).collect(),
            scale: Scale::Names(names.iter().rev().cloned().collect()),
        }
    }

    /// Where a value is on this axis, inside of its range.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let at = match self.scale {
            Scale::Logarithmic => value.max(1e-9).log10(),
            Scale::Linear(_) | Scale::Names(_) => value,
        };
        at.clamp(self.from, self.to)
    }

    pub(crate) fn value(&self, place: f64) -> f64 {
        match self.scale {
            Scale::Logarithmic => 10_f64.powf(place),
            Scale::Linear(_) | Scale::Names(_) => place,
        }
    }

    /// What stands at a tick.
    pub(super) fn tick(&self, place: f64) -> String {
        match &self.scale {
            Scale::Linear(decimals) => format!("{place:.decimals$}"),
            Scale::Logarithmic => {
                let value = 10_f64.powf(place);
                let decimals = (-(value.log10() + 1e-9).floor()).max(0.0) as usize;
                format!("{value:.decimals$}")
            }
            Scale::Names(names) => names.get(place as usize).cloned().unwrap_or_default(),
        }
    }

    /// Letters of its longest tick.
    pub(super) fn label_width(&self) -> f64 {
        let letters = self.ticks.iter().map(|at| self.tick(*at).chars().count());
        letters.max().unwrap_or(0) as f64
    }

    pub(super) fn coordinates(&self) -> Coordinates {
        Coordinates {
            range: self.from..self.to,
            ticks: self.ticks.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|at| axis.tick(*at)).collect()
    }

    #[test]
    fn numbers_on_an_axis_are_round_and_hold_the_data() {
        let axis = Axis::from_zero("ms", 162.3);
        assert_eq!(ticks(&axis), ["0", "50", "100", "150", "200"]);
        assert_eq!(
            ticks(&Axis::from_zero("", 0.7)),
            ["0.0", "0.2", "0.4", "0.6", "0.8"]
        );
        assert_eq!(
            ticks(&Axis::linear("", -3.0, 12.0)),
            ["-5", "0", "5", "10", "15"]
        );
        // What does not vary has a range all the same.
        let flat = Axis::linear("", 7.0, 7.0);
        assert!(flat.from <= 7.0 && flat.to > 7.0, "{flat:?}");
    }

    #[test]
    fn a_logarithmic_axis_has_numbers_between_its_powers_where_there_is_room() {
        let axis = Axis::logarithmic("ms", 12.0, 900.0);
        assert_eq!(
            ticks(&axis),
            ["10", "20", "50", "100", "200", "500", "1000"]
        );
        let wide = Axis::logarithmic("ms", 0.02, 9000.0);
        assert_eq!(
            ticks(&wide),
            ["0.01", "0.1", "1", "10", "100", "1000", "10000"]
        );
        assert!((axis.place(100.0) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_name_is_at_the_top() {
        let axis = Axis::names(&["first".into(), "second".into()]);
        assert_eq!(axis.tick(1.5), "first");
        assert_eq!(axis.tick(0.5), "second");
    }
}
