//! The node's wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 by the wall clock.
pub(crate) fn now_unix_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos() as i64
}
