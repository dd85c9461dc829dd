//! Processes of this machine on loopback addresses: no link is emulated and no limit enforced, so hardly anything is asked.

use super::{Off, Tolerance, Tolerances, uml};

const NOT_ASKED: Tolerance = Tolerance {
    below: Off::new(1.0, 0.0),
    above: Off::new(f64::INFINITY, f64::INFINITY),
    reason: "nothing is emulated or enforced here, so there is nothing to be far from",
};

/// See above.
pub const LOCAL: Tolerances = Tolerances {
    name: "local",
    round_trip: NOT_ASKED,
    jitter: NOT_ASKED,
    loss: NOT_ASKED,
    rate: NOT_ASKED,
    processor: NOT_ASKED,
    disk: NOT_ASKED,
    memory: NOT_ASKED,
    ..uml::UML
};
