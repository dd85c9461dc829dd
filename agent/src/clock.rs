//! The node's wall clock.

use crate::error::AgentError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 by the wall clock.
pub fn now_unix_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos() as i64
}

/// Moves the wall clock by `offset_ns` and returns the new time.
pub fn step(offset_ns: i64) -> Result<i64, AgentError> {
    let target = now_unix_ns() + offset_ns;
    let timespec = rustix::time::Timespec {
        tv_sec: target.div_euclid(1_000_000_000),
        tv_nsec: target.rem_euclid(1_000_000_000),
    };
    rustix::time::clock_settime(rustix::time::ClockId::Realtime, timespec).map_err(|errno| {
        AgentError::File {
            doing: "set the wall clock of",
            path: "CLOCK_REALTIME".into(),
            source: errno.into(),
        }
    })?;
    Ok(now_unix_ns())
}
