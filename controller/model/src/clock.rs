//! How far clocks of nodes are from ours: the only way from a moment of one to a moment of the other.

use super::time::{ControllerTime, NodeClock, NodeTime, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Difference of a node's clock to ours: node minus controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Nanoseconds.
    pub offset_ns: i64,
    /// Half the round trip it was measured with.
    pub error_ns: i64,
}

impl ClockOffset {
    /// By one exchange: sent and answered by our clock, received and replied to by the node's.
    pub fn measured(
        sent: ControllerTime,
        received: NodeTime,
        replied: NodeTime,
        answered: ControllerTime,
    ) -> Self {
        let round_trip_ns = answered.ns_since(sent) - replied.ns_since(received);
        // The two clocks meet here and nowhere else.
        let ahead_ns = |node: NodeTime, ours: ControllerTime| node.unix_ns() - ours.unix_ns();
        Self {
            offset_ns: i64::midpoint(ahead_ns(received, sent), ahead_ns(replied, answered)),
            error_ns: round_trip_ns / 2,
        }
    }

    /// What our clock showed when the node's showed this.
    pub fn to_controller<C: NodeClock>(&self, at: UnixTime<C>) -> ControllerTime {
        ControllerTime::from_unix_ns(at.unix_ns() - self.offset_ns)
    }

    /// What the node's clock showed when ours showed this.
    pub fn to_node<C: NodeClock>(&self, at: ControllerTime) -> UnixTime<C> {
        UnixTime::from_unix_ns(at.unix_ns() + self.offset_ns)
    }
}

/// A node's clock before and after a run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ClockPair {
    pub before: ClockOffset,
    /// After; `None` = the node did not answer any more.
    pub after: Option<ClockOffset>,
    /// By how much it was set meanwhile, nanoseconds. Programs of the run took their time before, and go on with it.
    #[serde(default)]
    pub stepped_ns: i64,
}

impl ClockPair {
    /// In the middle of the run, of the clock that its programs go on with; its error has what the clock drifted in it.
    pub fn offset(&self) -> ClockOffset {
        let mut after = self.after.unwrap_or(self.before);
        if self.after.is_some() {
            after.offset_ns -= self.stepped_ns;
        }
        let drift_ns = (after.offset_ns - self.before.offset_ns).abs();
        ClockOffset {
            offset_ns: i64::midpoint(self.before.offset_ns, after.offset_ns),
            error_ns: self.before.error_ns.max(after.error_ns) + drift_ns / 2,
        }
    }
}

pub type Clocks = BTreeMap<String, ClockPair>;

/// Of a node in the middle of the run; of one that is not known, none.
pub fn clock_offset(clocks: &Clocks, node: &str) -> ClockOffset {
    clocks.get(node).map(ClockPair::offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_tells_the_offset_and_moments_go_there_and_back() {
        // The node is 100 ahead; 10 there, 5 at the node, 20 back.
        let ours = ControllerTime::from_unix_ns;
        let node = NodeTime::from_unix_ns;
        let offset = ClockOffset::measured(ours(1000), node(1110), node(1115), ours(1035));
        assert_eq!((offset.offset_ns, offset.error_ns), (95, 15));
        let there: NodeTime = offset.to_node(ours(1000));
        assert_eq!(
            (there, offset.to_controller(there)),
            (node(1095), ours(1000))
        );
    }

    #[test]
    fn a_clock_that_drifts_is_known_less_well() {
        let clock = |offset_ns, error_ns| ClockOffset {
            offset_ns,
            error_ns,
        };
        let pair = ClockPair {
            before: clock(100, 5),
            after: Some(clock(140, 7)),
            stepped_ns: 0,
        };
        assert_eq!(pair.offset(), clock(120, 27));
        let clocks = Clocks::from([(
            "edge0".to_owned(),
            ClockPair {
                after: None,
                ..pair
            },
        )]);
        assert_eq!(clock_offset(&clocks, "edge0"), clock(100, 5));
        assert_eq!(clock_offset(&clocks, "edge1"), ClockOffset::default());
    }

    #[test]
    fn a_clock_that_was_set_by_an_hour_bends_no_time_of_the_run() {
        let look = |offset_ns| ClockOffset {
            offset_ns,
            error_ns: 100,
        };
        let hour = 3_600_000_000_000;
        let mut pair = ClockPair {
            before: look(1000),
            after: Some(look(hour + 1400)),
            stepped_ns: 0,
        };
        assert_eq!(pair.offset().offset_ns, i64::midpoint(1000, hour + 1400));
        pair.stepped_ns = hour;
        let known = |offset_ns, error_ns| ClockOffset {
            offset_ns,
            error_ns,
        };
        assert_eq!(pair.offset(), known(1200, 300));
        pair.after = None;
        assert_eq!(pair.offset(), known(1000, 100));
    }
}
