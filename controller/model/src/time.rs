//! Moments, each by the clock that saw it. Moments of two clocks have two types: between them there is only a
//! [`ClockOffset`](super::ClockOffset), so comparing or subtracting them as they are does not compile.
//!
//! ```compile_fail,E0308
//! use continuum_model::{ControllerTime, NodeTime};
//! let ready = NodeTime::from_unix_ns(2);
//! ready.ns_since(ControllerTime::from_unix_ns(1));
//! ```
//!
//! ```compile_fail,E0308
//! use continuum_model::{EndpointTime, WorkerTime};
//! let is_later = WorkerTime::from_unix_ns(2) > EndpointTime::from_unix_ns(1);
//! ```

use continuum_workload_core::clock::AnchoredClock;
use serde::{Deserialize, Serialize};
use std::{fmt, marker::PhantomData, time::Duration};

const NS_PER_S: i64 = 1_000_000_000;

/// A moment, as a clock showed it; serialised as nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime<C> {
    unix_ns: i64,
    clock: PhantomData<C>,
}

impl<C> UnixTime<C> {
    pub const fn from_unix_ns(unix_ns: i64) -> Self {
        Self {
            unix_ns,
            clock: PhantomData,
        }
    }

    pub const fn from_unix_s(unix_s: i64) -> Self {
        Self::from_unix_ns(unix_s.saturating_mul(NS_PER_S))
    }

    /// For raw files, and for who is told in nanoseconds.
    pub const fn unix_ns(self) -> i64 {
        self.unix_ns
    }

    /// The second that had begun.
    pub const fn unix_s(self) -> i64 {
        self.unix_ns.div_euclid(NS_PER_S)
    }

    /// Below zero when `earlier` was later.
    pub const fn ns_since(self, earlier: Self) -> i64 {
        self.unix_ns - earlier.unix_ns
    }

    pub fn s_since(self, earlier: Self) -> f64 {
        self.ns_since(earlier) as f64 / NS_PER_S as f64
    }

    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        self.plus_ns(elapsed.as_nanos() as i64)
    }

    #[must_use]
    pub const fn plus_ns(self, ns: i64) -> Self {
        Self::from_unix_ns(self.unix_ns + ns)
    }
}

impl<C> fmt::Display for UnixTime<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unix_ns.fmt(f)
    }
}

/// The controller's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    #[default]
    Ours,
}

/// The clock of some node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    #[default]
    Any,
}

/// The clock of the endpoint, where two nodes are spoken of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    #[default]
    Any,
}

/// The clock of the worker, where two nodes are spoken of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worker {
    #[default]
    Any,
}

/// Clocks with a [`ClockOffset`](super::ClockOffset) to ours.
pub trait NodeClock {}
impl NodeClock for Node {}
impl NodeClock for Endpoint {}
impl NodeClock for Worker {}

pub type ControllerTime = UnixTime<Controller>;
pub type NodeTime = UnixTime<Node>;
pub type EndpointTime = UnixTime<Endpoint>;
pub type WorkerTime = UnixTime<Worker>;

/// Our clock: it goes on evenly when somebody sets the host's.
#[derive(Debug, Clone, Copy)]
pub struct ControllerClock(AnchoredClock);

impl ControllerClock {
    /// As the host's is now.
    pub fn start() -> Self {
        Self(AnchoredClock::start())
    }

    pub fn now(&self) -> ControllerTime {
        ControllerTime::from_unix_ns(self.0.now_unix_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_its_nanoseconds() {
        let at = NodeTime::from_unix_s(2).plus_ns(5);
        assert_eq!(at.to_string(), "2000000005");
        assert_eq!(
            (at.unix_s(), at.ns_since(NodeTime::from_unix_s(3))),
            (2, -999_999_995)
        );
        let text = serde_json::to_string(&[Some(at), None]).unwrap();
        assert_eq!(text, "[2000000005,null]");
    }
}
