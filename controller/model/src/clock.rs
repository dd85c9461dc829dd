//! How far clocks of nodes are from ours.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Difference of a node's clock to ours: node minus controller.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Nanoseconds.
    pub offset_ns: i64,
    /// Half the round trip it was measured with.
    pub error_ns: i64,
}

/// A node's clock before and after a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ClockPair {
    /// Before.
    pub before: ClockOffset,
    /// After; `None` = the node did not answer any more.
    pub after: Option<ClockOffset>,
}

impl ClockPair {
    /// Node minus controller in the middle of the run, nanoseconds, and how far off that may be.
    pub fn offset(&self) -> (i64, i64) {
        let after = self.after.unwrap_or(self.before);
        let drift = (after.offset_ns - self.before.offset_ns).abs();
        let error = self.before.error_ns.max(after.error_ns) + drift / 2;
        (i64::midpoint(self.before.offset_ns, after.offset_ns), error)
    }
}

/// Clocks by node.
pub type Clocks = BTreeMap<String, ClockPair>;
