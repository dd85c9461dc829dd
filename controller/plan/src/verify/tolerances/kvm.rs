//! Guests of QEMU with KVM. No host with it has been measured for this file: its numbers are those of `uml`, of which a
//! guest with virtio is no worse, and its memory that of Debian's own kernel.

use super::{Off, Tolerance, Tolerances, uml};

/// See above.
pub const KVM: Tolerances = Tolerances {
    name: "kvm",
    // Estimate, not yet measured: virtio-net carries gigabits per second.
    most_rate_mbit: 1000.0,
    memory: Tolerance {
        below: Off::new(0.06, 96.0),
        above: Off::new(0.0, 1.0),
        reason: "estimate, not yet measured: Debian's kernel keeps some 60 MiB, its page table 1.6 % of all, and the crash kernel's place",
    },
    ..uml::UML
};
