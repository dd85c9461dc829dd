//! Guests of User Mode Linux: native instructions, a network by raw sockets, timers of the host. All numbers are estimates,
//! not yet measured.

use super::{Off, Tolerance, Tolerances};

/// See above.
pub const UML: Tolerances = Tolerances {
    name: "uml",
    round_trip: Tolerance {
        below: Off::new(0.02, 0.5),
        above: Off::new(0.02, 0.6),
        reason: "estimate, not yet measured: `up` takes what a way needs by itself off the delay; photos and a controller at \
                 work add some tenths",
    },
    jitter: Tolerance {
        below: Off::new(0.3, 0.3),
        above: Off::new(0.3, 0.6),
        reason: "a deviation of 200 normal values is off by 15 % at three sigma; the host's own jitter of up to 0.5 ms is an \
                 estimate, not yet measured",
    },
    loss: Tolerance {
        below: Off::new(0.0, 0.1),
        above: Off::new(0.0, 0.6),
        reason: "estimate, not yet measured: a packet in 200 may be lost to a guest whose receive queue of 128 was full while it stood still",
    },
    rate: Tolerance {
        below: Off::new(0.05, 0.02),
        above: Off::new(0.03, 0.02),
        reason: "estimate, not yet measured: acknowledgements and a short time cost some percent",
    },
    // Estimate, not yet measured: one guest's raw sockets carry some hundred Mbit/s, and two guests share the host's cores for it.
    most_rate_mbit: 100.0,
    processor: Tolerance {
        below: Off::new(0.2, 0.02),
        above: Off::new(0.1, 0.02),
        reason: "estimate, not yet measured: the controller, other guests' timers and the host take some of a core",
    },
    processor_below_if_overcommitted: 0.5,
    disk: Tolerance {
        below: Off::new(0.2, 0.2),
        above: Off::new(0.15, 0.3),
        reason: "estimate, not yet measured: the kernel gives out a limit in slices of 100 ms, of which one more or less fits into half a second",
    },
    memory: Tolerance {
        below: Off::new(0.05, 64.0),
        above: Off::new(0.0, 1.0),
        reason: "estimate, not yet measured: the guest's kernel itself and its page table are not visible in it",
    },
};
