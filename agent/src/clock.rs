//! The node's wall clock.

use crate::error::AgentError;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NS_PER_S: i128 = 1_000_000_000;

/// Nanoseconds since 1970 by the wall clock.
pub(crate) fn now_unix_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos() as i64
}

/// A time so many nanoseconds later, or earlier; `None` where no clock shows it.
fn moved(from: Timespec, by_ns: i64) -> Option<Timespec> {
    let ns = i128::from(from.tv_sec) * NS_PER_S + i128::from(from.tv_nsec) + i128::from(by_ns);
    Some(Timespec {
        tv_sec: i64::try_from(ns.div_euclid(NS_PER_S))
            .ok()
            .filter(|s| *s > 0)?,
        tv_nsec: i64::try_from(ns.rem_euclid(NS_PER_S)).ok()?,
    })
}

/// Moves the wall clock of this machine.
pub(crate) fn adjust(by_ns: i64) -> Result<(), AgentError> {
    let to = moved(clock_gettime(ClockId::Realtime), by_ns)
        .ok_or_else(|| AgentError::Invalid(format!("no clock can be moved by {by_ns} ns")))?;
    clock_settime(ClockId::Realtime, to).map_err(|errno| AgentError::File {
        doing: "set",
        path: "the clock of this machine".into(),
        source: errno.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_moved_over_the_borders_of_seconds_both_ways() {
        let from = Timespec {
            tv_sec: 100,
            tv_nsec: 900_000_000,
        };
        let seen = |by_ns| moved(from, by_ns).map(|to| (to.tv_sec, to.tv_nsec));
        assert_eq!(seen(200_000_000), Some((101, 100_000_000)));
        assert_eq!(seen(-1_000_000_000), Some((99, 900_000_000)));
        assert_eq!(seen(-900_000_001), Some((99, 999_999_999)));
        assert_eq!(seen(i64::MIN), None);
    }
}
