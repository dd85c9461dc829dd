//! Whether the machine is emulated. Programs are ten to forty times slower there, so what only costs time is left out.

use crate::system::System;
use std::time::Duration;

/// For one question to systemd, on a machine that is emulated and busy.
const DEADLINE: Duration = Duration::from_mins(2);

/// Whether QEMU translates each instruction, instead of the processor running it (KVM).
pub(super) async fn is_emulated(system: &dyn System) -> bool {
    let kind = system.run(&["systemd-detect-virt"], DEADLINE).await;
    kind.is_ok_and(|name| name.trim() == "qemu")
}
