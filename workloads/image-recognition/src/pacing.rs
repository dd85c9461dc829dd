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
    /// From its start.
    pub fn new(start: Instant, load: Load) -> Self {
        Self { start, load }
    }

    /// When photo number `id` is due.
    pub fn due(&self, id: u64) -> Instant {
        self.start + Duration::from_secs_f64(id as f64 / self.load.frequency_hz)
    }

    /// When waiting for answers ends.
    pub fn deadline(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.load.duration_s + self.load.grace_s)
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
        assert_eq!(pace.deadline() - start, Duration::from_secs(5));
    }
}
