//! Guests of User Mode Linux: native instructions, a network by raw sockets, timers of the host. Measured: what the first run on
//! guests showed, two guests of one core on two cores beside builds; the numbers leave room for more of that.

use super::{Off, Tolerance, Tolerances};

/// See above.
pub const UML: Tolerances = Tolerances {
    name: "uml",
    round_trip: Tolerance {
        below: Off::new(0.02, 0.5),
        above: Off::new(0.02, 0.6),
        reason: "measured 14.5 to 15.4 of 15 ms: `up` takes what a way needs by itself off the delay; photos and a controller at \
                 work add some tenths",
    },
    jitter: Tolerance {
        below: Off::new(0.3, 0.3),
        above: Off::new(0.3, 0.6),
        reason: "a deviation of 200 normal values is off by 15 % at three sigma; measured 3.25 to 4.15 of 3.54 ms, and 0.1 of 0",
    },
    loss: Tolerance {
        below: Off::new(0.0, 0.1),
        above: Off::new(0.0, 0.6),
        reason: "measured 0; a packet in 200 may be lost to a guest whose receive queue of 128 was full while it stood still",
    },
    rate: Tolerance {
        below: Off::new(0.05, 0.02),
        above: Off::new(0.03, 0.02),
        reason: "measured 7.13 to 7.22 of 7.21 Mbit/s; acknowledgements and a short time cost some percent",
    },
    // Measured 102 to 738 Mbit/s on a link without a lower rate: one guest's raw sockets, and two guests share the host's cores.
    most_rate_mbit: 100.0,
    processor: Tolerance {
        below: Off::new(0.2, 0.02),
        above: Off::new(0.1, 0.02),
        reason: "measured 0.91 to 0.98 of a core, and 0.40 to 0.51 of half of one: the controller, other guests' timers and the \
                 host take some; of a node with several cores it is what one program gets, whose threads share a core",
    },
    processor_below_if_overcommitted: 0.5,
    disk: Tolerance {
        below: Off::new(0.2, 0.2),
        above: Off::new(0.15, 0.3),
        reason: "measured 9.96 of 10 and 19.92 to 19.99 of 20 MB/s; the kernel gives out a limit in slices of 100 ms, of which one \
                 more or less fits into half a second",
    },
    memory: Tolerance {
        below: Off::new(0.05, 64.0),
        above: Off::new(0.0, 1.0),
        reason: "measured 494 of 512, 998 of 1024, 2004 of 2048 and 4017 of 4096 MiB: the guest's kernel itself and its page table \
                 are not visible in it",
    },
};
