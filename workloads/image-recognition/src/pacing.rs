//! Open-loop pacing: photo `i` is due at start + `i` / frequency, no matter how late those before it were.

use continuum_workload_core::spec::Load;
use std::time::Duration;
use tokio::time::Instant;

/// A send that begins later than this after its due time is a slip.
pub const SLIP: Duration = Duration::from_millis(10);

/// The schedule of a run.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    start: Instant,
    load: Load,
}

impl Pace {
    pub fn new(start: Instant, load: Load) -> Self {
        Self { start, load }
    }

    /// When photo number `id` is due.
    pub fn due(&self, id: u64) -> Instant {
        self.start + Duration::from_secs_f64(id as f64 / self.load.frequency_hz)
    }

    /// When waiting for answers ends, if the last one came at `answered`: a worker that is slow and goes on is waited for
    /// longer than one that is silent.
    pub fn deadline(&self, answered: Option<Instant>) -> Instant {
        let end = self.start + Duration::from_secs_f64(self.load.duration_s);
        let quiet = answered.map_or(end, |at| at.max(end));
        let longest = self.start + Duration::from_secs_f64(self.load.longest_s());
        longest.min(quiet + Duration::from_secs_f64(self.load.grace_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_does_not_depend_on_what_happened() {
        let start = Instant::now();
        let pace = Pace::new(
            start,
            Load {
                frequency_hz: 4.0,
                duration_s: 2.0,
                grace_s: 3.0,
            },
        );
        assert_eq!(pace.due(0), start);
        assert_eq!(pace.due(6) - start, Duration::from_millis(1500));
        let after = |answered: Option<u64>| {
            let at = answered.map(|ms| start + Duration::from_millis(ms));
            (pace.deadline(at) - start).as_millis()
        };
        assert_eq!(after(None), 5000);
        assert_eq!(after(Some(1000)), 5000);
        assert_eq!(after(Some(4000)), 7000);
        // Three times three seconds after the last photo, and no longer.
        assert_eq!(after(Some(10_500)), 11_000);
    }
}
