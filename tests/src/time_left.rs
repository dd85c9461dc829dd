//! Whether a long test still fits into the time that its run has.
//!
//! Emulated machines are several times slower where the host is shared with others, and a run that is ended from outside
//! has no result at all: better one test less, with its reason, and all others told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 at which all tests must be over. Not set: they take as long as they take.
pub const END_BY: &str = "CONTINUUM_TESTS_END_BY";

/// One test may be hurt more than those before it.
const MARGIN: f64 = 1.2;

/// What tests took here beside what they usually take.
#[derive(Debug)]
pub struct Pace {
    end_by: Option<SystemTime>,
    usual: Duration,
    taken: Duration,
}

impl Pace {
    /// With the end that the environment tells.
    pub fn new() -> Self {
        let end_by = std::env::var(END_BY).ok();
        let end_by = end_by.and_then(|text| text.trim().parse().ok());
        Self::until(end_by.map(|s| UNIX_EPOCH + Duration::from_secs(s)))
    }

    const fn until(end_by: Option<SystemTime>) -> Self {
        Self {
            end_by,
            usual: Duration::ZERO,
            taken: Duration::ZERO,
        }
    }

    /// How many times slower than usual this machine was, at least 1.
    fn factor(&self) -> f64 {
        if self.usual.is_zero() {
            return 1.0;
        }
        (self.taken.as_secs_f64() / self.usual.as_secs_f64()).max(1.0)
    }

    /// Why a test that usually takes so long should not begin now.
    pub fn too_late(&self, usual: Duration, now: SystemTime) -> Option<String> {
        let left = self.end_by?.duration_since(now).unwrap_or_default();
        let factor = self.factor();
        let needed = usual.mul_f64(factor * MARGIN);
        (needed > left).then(|| {
            format!(
                "it usually takes {} s, tests took {factor:.1} times as long as usual in this run, and {} s are left",
                usual.as_secs(),
                left.as_secs()
            )
        })
    }

    /// Notes a test that has run.
    pub fn ran(&mut self, usual: Duration, begun: Instant) {
        self.note(usual, begun.elapsed());
    }

    fn note(&mut self, usual: Duration, taken: Duration) {
        self.usual += usual;
        self.taken += taken;
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_slow_machine_leaves_out_what_would_not_end_in_time() {
        let now = UNIX_EPOCH + MINUTE * 1000;
        let mut pace = Pace::until(Some(now + MINUTE * 10));
        assert_eq!(pace.too_late(MINUTE * 8, now), None);
        assert!(pace.too_late(MINUTE * 9, now).is_some());
        pace.note(MINUTE, MINUTE * 2);
        let why = pace.too_late(MINUTE * 8, now).unwrap();
        assert!(why.contains("480 s, tests took 2.0 times"), "{why}");
        assert_eq!(pace.too_late(MINUTE * 4, now), None);
        // One that was faster than usual promises nothing.
        pace.note(MINUTE * 10, MINUTE);
        assert!(pace.too_late(MINUTE * 9, now).is_some());
        assert!(pace.too_late(MINUTE, now + MINUTE * 20).is_some());
        assert_eq!(Pace::until(None).too_late(MINUTE * 999, now), None);
    }
}
