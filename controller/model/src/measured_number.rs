//! A number that was asked for beside what it was when it was measured, to be kept and shown later.

use super::{ControllerTime, Quantity, Subject, Verdict, VerifyRow};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredNumber {
    #[serde(flatten)]
    pub subject: Subject,
    pub quantity: Quantity,
    /// Of the numbers.
    pub unit: String,
    /// What was asked for then.
    pub asked: Option<f64>,
    pub measured: Option<f64>,
    /// In words; empty where any number is as asked.
    pub tolerance: String,
    pub verdict: Verdict,
    /// Why it is so, as far as can be told.
    pub cause: Option<String>,
    /// When its measurement began.
    pub measured_unix_ns: ControllerTime,
}

impl MeasuredNumber {
    pub fn new(row: &VerifyRow, measured_unix_ns: ControllerTime) -> Self {
        Self {
            subject: row.subject.clone(),
            quantity: row.quantity,
            unit: row.unit.to_owned(),
            asked: row.asked,
            measured: row.measured,
            tolerance: row.tolerance(),
            verdict: row.verdict,
            cause: row.cause.clone(),
            measured_unix_ns,
        }
    }

    fn is_of(&self, other: &Self) -> bool {
        (&self.subject, self.quantity) == (&other.subject, other.quantity)
    }
}

/// What is known after a measurement: each of its numbers in the place of the one before.
pub fn with_newer(
    mut known: Vec<MeasuredNumber>,
    newer: Vec<MeasuredNumber>,
) -> Vec<MeasuredNumber> {
    known.retain(|old| !newer.iter().any(|new| new.is_of(old)));
    known.extend(newer);
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(from: &str, to: &str, seconds: i64) -> MeasuredNumber {
        MeasuredNumber {
            subject: Subject::way(from, to),
            quantity: Quantity::RoundTrip,
            unit: "ms".into(),
            asked: Some(30.0),
            measured: Some(30.2),
            tolerance: String::new(),
            verdict: Verdict::InTolerance,
            cause: None,
            measured_unix_ns: ControllerTime::from_unix_s(seconds),
        }
    }

    #[test]
    fn a_number_that_is_measured_again_takes_the_place_of_the_older_one() {
        let known = vec![
            number("edge0", "cloud0", 1),
            number("endpoint0", "edge0", 1),
        ];
        let newer = vec![number("edge0", "cloud0", 2)];
        let seen = with_newer(known, newer);
        let expected = [
            number("endpoint0", "edge0", 1),
            number("edge0", "cloud0", 2),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_number_comes_back_from_its_file() {
        let text = serde_json::to_string(&number("edge0", "cloud0", 1)).unwrap();
        let read: MeasuredNumber = serde_json::from_str(&text).unwrap();
        assert_eq!(read, number("edge0", "cloud0", 1));
    }
}
