//! What kind of machine this is, and what follows from it: the only place that knows.
//!
//! An emulated one (QEMU's TCG) computes each instruction ten to forty times slower than a processor does, and what starts
//! programs or changes between them costs the most. KVM and User Mode Linux run the processor's own instructions, and are
//! treated alike. Two more things follow from emulation, and are done where they can be: the provider keeps programs at the
//! same addresses (`norandmaps` in domain.xml), and `continuum-workload` keeps libtorch to narrow instructions.

use crate::system::System;
use std::time::Duration;

/// For one question to systemd, on a machine that is emulated and busy.
const DEADLINE: Duration = Duration::from_mins(2);

/// Who runs this machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// QEMU, one by one.
    Emulated,
    Native,
}

/// What is done differently from machine to machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// What makes containers. Each takes five to six starts of that program. runc is in Go, with a runtime of its own to
    /// start; crun does the same by the same specification in C, and emulated starts a container in half the time.
    pub(crate) container_program: ContainerProgram,
    /// Whether a control plane's programs run for longer at a time, and one that wakes up waits for its turn. At each change
    /// from one to another an emulated core forgets which translated code belongs to which address; a busy control plane
    /// changes 3000 times in a second, and a third of QEMU's time went into looking it up again. Nothing is measured on that
    /// node.
    pub(crate) has_long_turns: bool,
    /// Whether edgecore is kept from tidying up before it looks after its pods, which takes it seconds.
    pub(crate) holds_edgecore: bool,
    /// How long a control plane, cloudcore or edgecore may take until it is up. By KVM and User Mode Linux a control plane
    /// takes half a minute of a whole core; a node may have a tenth of one.
    pub(crate) patience: Duration,
}

/// A program that makes containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerProgram {
    Runc,
    Crun,
}

impl ContainerProgram {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }
}

const EMULATED: Policy = Policy {
    container_program: ContainerProgram::Crun,
    has_long_turns: true,
    holds_edgecore: true,
    patience: Duration::from_mins(12),
};

const NATIVE: Policy = Policy {
    container_program: ContainerProgram::Runc,
    has_long_turns: false,
    holds_edgecore: false,
    patience: Duration::from_mins(8),
};

/// In systemd's words; `kvm` and `uml` are the others of ours.
const QEMU_WITHOUT_KVM: &str = "qemu";

impl Machine {
    /// Asks systemd; one that does not know its machine runs on a processor.
    pub(crate) async fn read(system: &dyn System) -> Self {
        let kind = system.run(&["systemd-detect-virt"], DEADLINE).await;
        if kind.is_ok_and(|name| name.trim() == QEMU_WITHOUT_KVM) {
            Self::Emulated
        } else {
            Self::Native
        }
    }

    pub(crate) fn policy(self) -> &'static Policy {
        match self {
            Self::Emulated => &EMULATED,
            Self::Native => &NATIVE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::RecordingSystem;

    #[tokio::test]
    async fn only_qemu_without_kvm_is_emulated() {
        for (kind, want) in [
            ("qemu\n", Machine::Emulated),
            ("kvm\n", Machine::Native),
            ("uml\n", Machine::Native),
            ("none\n", Machine::Native),
        ] {
            let system = RecordingSystem::answering("systemd-detect-virt", kind);
            assert_eq!(Machine::read(&system).await, want, "{kind}");
        }
        let system = RecordingSystem {
            fail_on: Some("systemd-detect-virt".into()),
            ..RecordingSystem::default()
        };
        assert_eq!(Machine::read(&system).await, Machine::Native);
    }
}
