//! A node's clock beside the controller's, looked at again and again: how fast it runs, and whether somebody has set it.

use super::{ClockOffset, ControllerTime};
use serde::Serialize;

/// A clock that is disciplined runs at most half a thousandth too fast or too slow; twice that is no drift any more.
const MOST_DRIFT: f64 = 1e-3;
/// A change that is too small to tell anything of, whatever the errors say.
const LEAST_STEP_NS: i64 = 2_000_000;

#[derive(Debug, Clone, Copy, Serialize)]
pub struct ClockLook {
    pub at_unix_ns: ControllerTime,
    /// Node minus controller.
    pub offset: ClockOffset,
}

/// A clock that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockStep {
    /// When it was seen first.
    pub seen_unix_ns: ControllerTime,
    /// By how much, nanoseconds.
    pub by_ns: i64,
}

/// How a clock ran, from the first look to the last.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClockTrack {
    /// Looks that there were.
    pub looks: usize,
    /// How much too fast, in millionths; `None` = no longer apart than their errors allow.
    pub drift_ppm: Option<f64>,
    /// Millionths that the drift is known to.
    pub drift_error_ppm: Option<f64>,
    /// Times it was set.
    pub steps: Vec<ClockStep>,
}

impl ClockTrack {
    /// Of looks in order.
    pub fn of(looks: &[ClockLook]) -> Self {
        let steps: Vec<ClockStep> = looks
            .windows(2)
            .filter_map(|pair| match pair {
                [one, other] => step(one, other),
                _ => None,
            })
            .collect();
        let stepped: i64 = steps.iter().map(|step| step.by_ns).sum();
        let ends = looks.first().zip(looks.last());
        let rate = ends.and_then(|(first, last)| {
            let passed = last.at_unix_ns.ns_since(first.at_unix_ns) as f64;
            let change = last.offset.offset_ns - stepped - first.offset.offset_ns;
            let error = last.offset.error_ns + first.offset.error_ns;
            let ppm = |ns: i64| 1e6 * ns as f64 / passed;
            (passed > 0.0).then(|| (ppm(change), ppm(error)))
        });
        Self {
            looks: looks.len(),
            drift_ppm: rate
                .filter(|(drift, error)| drift.abs() > *error)
                .map(|(drift, _)| drift),
            drift_error_ppm: rate.map(|(_, error)| error),
            steps,
        }
    }

    /// All steps together, nanoseconds.
    pub fn stepped_ns(&self) -> i64 {
        self.steps.iter().map(|step| step.by_ns).sum()
    }
}

/// What no drift explains.
fn step(one: &ClockLook, other: &ClockLook) -> Option<ClockStep> {
    let change = other.offset.offset_ns - one.offset.offset_ns;
    let passed_ns = other.at_unix_ns.ns_since(one.at_unix_ns).abs() as f64;
    let errors = one.offset.error_ns + other.offset.error_ns;
    let most = errors + (MOST_DRIFT * passed_ns) as i64 + LEAST_STEP_NS;
    (change.abs() > most).then_some(ClockStep {
        seen_unix_ns: other.at_unix_ns,
        by_ns: change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn look(at_s: i64, offset_ns: i64) -> ClockLook {
        ClockLook {
            at_unix_ns: ControllerTime::from_unix_s(at_s),
            offset: ClockOffset {
                offset_ns,
                error_ns: 100_000,
            },
        }
    }

    #[test]
    fn a_clock_that_runs_too_fast_is_no_clock_that_was_set() {
        // 50 millionths: 3 ms in a minute.
        let looks: Vec<ClockLook> = (0..=12).map(|n| look(5 * n, 250_000 * n)).collect();
        let track = ClockTrack::of(&looks);
        assert!(track.steps.is_empty(), "{track:?}");
        assert!((track.drift_ppm.unwrap() - 50.0).abs() < 1e-9, "{track:?}");
        assert!((track.drift_error_ppm.unwrap() - 3.333).abs() < 0.01);
        assert_eq!(track.looks, 13);
    }

    #[test]
    fn an_hour_is_seen_when_it_came_and_is_no_drift() {
        let hour = 3600 * SECOND;
        let looks = [
            look(0, 0),
            look(5, 50_000),
            look(10, hour + 40_000),
            look(15, hour),
        ];
        let track = ClockTrack::of(&looks);
        assert_eq!(track.steps.len(), 1, "{track:?}");
        assert_eq!(track.steps[0].seen_unix_ns, ControllerTime::from_unix_s(10));
        assert!((track.stepped_ns() - hour).abs() < 100_000, "{track:?}");
        assert_eq!(track.drift_ppm, None);
        // And back again.
        let back = [looks[1], looks[2], look(20, 0)];
        assert_eq!(ClockTrack::of(&back).steps.len(), 2);
    }

    #[test]
    fn a_drift_that_is_smaller_than_its_error_is_not_told() {
        let track = ClockTrack::of(&[look(0, 0), look(10, 150_000)]);
        assert_eq!(track.drift_ppm, None);
        assert_eq!(track.drift_error_ppm, Some(20.0));
        assert_eq!(ClockTrack::of(&[look(0, 7)]).drift_error_ppm, None);
        assert_eq!(ClockTrack::of(&[]), ClockTrack::default());
    }
}
