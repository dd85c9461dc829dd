//! Guests of QEMU that are emulated: each instruction takes ten to forty times as long, and so do timers and interrupts.
//! All numbers are estimates, not yet measured.

use super::{Off, Tolerance, Tolerances};

/// See above.
pub const TCG: Tolerances = Tolerances {
    name: "tcg",
    round_trip: Tolerance {
        below: Off::new(0.05, 1.0),
        above: Off::new(0.15, 5.0),
        reason: "estimate, not yet measured: an emulated kernel needs milliseconds for a packet when its host is busy, and `up` takes off 2 ms at most",
    },
    jitter: Tolerance {
        below: Off::new(0.4, 1.0),
        above: Off::new(0.5, 5.0),
        reason: "estimate, not yet measured: an emulated kernel's own time for a packet scatters by milliseconds",
    },
    loss: Tolerance {
        below: Off::new(0.0, 0.1),
        above: Off::new(0.0, 1.5),
        reason: "estimate, not yet measured: a guest that stands still for a while drops what its receive queue of 256 does not hold",
    },
    rate: Tolerance {
        below: Off::new(0.15, 0.05),
        above: Off::new(0.05, 0.05),
        reason: "estimate, not yet measured: timers of HTB are late, and TCP waits for an emulated receiver",
    },
    // Estimate, not yet measured.
    most_rate_mbit: 10.0,
    processor: Tolerance {
        below: Off::new(0.35, 0.05),
        above: Off::new(0.1, 0.03),
        reason: "estimate, not yet measured: a quota holds for the thread of a core; translating code and the devices' thread are beside it",
    },
    processor_below_if_overcommitted: 0.7,
    disk: Tolerance {
        below: Off::new(0.4, 0.5),
        above: Off::new(0.2, 0.5),
        reason: "estimate, not yet measured: QEMU's own limit lends some at first, and an emulated guest may be too slow to use all of it",
    },
    memory: Tolerance {
        below: Off::new(0.06, 96.0),
        above: Off::new(0.0, 1.0),
        reason: "estimate, not yet measured: Debian's kernel keeps some 60 MiB, its page table 1.6 % of all, and the crash kernel's place",
    },
};
