//! Whether answers keep up with what is asked, while it is asked.

use continuum_config::Benchmark;
use std::time::Duration;

/// Before this nobody knows.
const SETTLED: Duration = Duration::from_secs(15);
/// Of what was due by now; a run with less of it answered falls behind.
const ENOUGH: f64 = 0.5;

/// How long a load lasts, over which its calls are due evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    length: Option<Duration>,
}

impl Load {
    /// Nothing is due at any time.
    pub(super) const NONE: Self = Self { length: None };

    pub(super) fn of(benchmark: &Benchmark) -> Self {
        Self {
            length: Duration::try_from_secs_f64(benchmark.duration_s)
                .ok()
                .filter(|length| !length.is_zero()),
        }
    }

    /// Says so when it is clear that a worker, or a link to it, is too slow for what comes.
    pub(super) fn falls_behind(self, done: u64, total: u64, after: Duration) -> Option<String> {
        let length = self.length?;
        let asked = after.min(length);
        if asked < SETTLED {
            return None;
        }
        let due = total as f64 * (asked.as_secs_f64() / length.as_secs_f64());
        if done as f64 >= due * ENOUGH {
            return None;
        }
        let rate = |count: f64, time: Duration| count / time.as_secs_f64();
        Some(format!(
            "answers fall behind: {done} of {due:.0} that were due. {:.2} a second come in, and {:.2} a second are answered: \
             a worker, or a link on the way, is too slow for this load (benchmark.frequency)",
            rate(due, asked),
            rate(done as f64, after),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_is_too_much_is_told_once_it_is_clear() {
        let load = Load {
            length: Some(Duration::from_mins(1)),
        };
        let after = |done, seconds| load.falls_behind(done, 30, Duration::from_secs(seconds));
        // One photo every two seconds, of which each takes thirteen.
        assert_eq!(after(0, 14), None);
        let text = after(1, 20).unwrap();
        let parts = [
            "1 of 10 that were due",
            "0.50 a second come in",
            "0.05 a second are answered",
        ];
        for part in parts {
            assert!(text.contains(part), "no {part} in {text}");
        }
        // The load is over, and its rest takes long.
        assert!(after(9, 120).unwrap().contains("9 of 30"));
        assert_eq!(after(5, 20), None);
        assert_eq!(
            Load::NONE.falls_behind(0, 30, Duration::from_secs(99)),
            None
        );
    }
}
