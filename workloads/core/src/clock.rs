//! One clock for all stamps of a process: wall time at start plus monotonic time since,
//! so that a step of the wall clock during a run cannot bend a latency.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time anchored once, then carried on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct AnchoredClock {
    anchor: Instant,
    anchor_unix_ns: i64,
}

impl AnchoredClock {
    /// Anchors to the wall clock now.
    pub fn start() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            anchor: Instant::now(),
            anchor_unix_ns: unix.as_nanos() as i64,
        }
    }

    /// Nanoseconds since 1970.
    pub fn now_unix_ns(&self) -> i64 {
        self.at_unix_ns(Instant::now())
    }

    /// The same for an instant taken before.
    pub fn at_unix_ns(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.anchor).as_nanos() as i64;
        let before = self.anchor.saturating_duration_since(instant).as_nanos() as i64;
        self.anchor_unix_ns + since - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_forward_and_maps_instants() {
        let clock = AnchoredClock::start();
        let instant = Instant::now();
        let later = instant + Duration::from_millis(5);
        assert_eq!(
            clock.at_unix_ns(later) - clock.at_unix_ns(instant),
            5_000_000
        );
        assert!(clock.now_unix_ns() >= clock.at_unix_ns(instant));
    }
}
