//! KVM only where it really boots a kernel: some hosts have a /dev/kvm that boots none.

use crate::error::{KvmRefused, NoKvm};
use continuum_config::AcceleratorChoice;
use continuum_host::process;
use continuum_model::Acceleration;
use std::{path::Path, time::Duration};

const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// How guests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// On the processor.
    Kvm,
    /// Emulated.
    Tcg,
}

impl Accelerator {
    /// What results say of it.
    pub(super) fn fact(self) -> Acceleration {
        match self {
            Self::Kvm => Acceleration::Kvm,
            Self::Tcg => Acceleration::Without(
                "tcg (emulated: times are not those of real machines)".to_owned(),
            ),
        }
    }

    /// Memory for translated code, MiB. When it is full, all of it is thrown away and translated anew: a control plane of
    /// Kubernetes fills 512 MiB before its API server answers, a small worker 192 MiB every 40 seconds. It is taken as
    /// it fills.
    pub(super) fn translation_mib(self, memory_mib: u64, headroom: MemoryHeadroom) -> u64 {
        match (self, headroom) {
            (Self::Kvm, _) => 0,
            (Self::Tcg, MemoryHeadroom::Ample) => (memory_mib / 2).clamp(512, 2048),
            (Self::Tcg, MemoryHeadroom::Scarce) => (memory_mib / 4).clamp(128, 512),
        }
    }
}

/// Whether the host has memory for more than is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemoryHeadroom {
    Ample,
    Scarce,
}

/// As asked for, or what works; else why not.
pub(super) async fn choose(
    asked: AcceleratorChoice,
    kernel: &Path,
) -> Result<Accelerator, KvmRefused> {
    match asked {
        AcceleratorChoice::Tcg => Ok(Accelerator::Tcg),
        AcceleratorChoice::Kvm => match probe(kernel).await {
            Ok(()) => Ok(Accelerator::Kvm),
            Err(why) => Err(KvmRefused(why)),
        },
        AcceleratorChoice::Auto => Ok(if probe(kernel).await.is_ok() {
            Accelerator::Kvm
        } else {
            Accelerator::Tcg
        }),
    }
}

fn has_virtualisation(cpuinfo: &str) -> bool {
    cpuinfo.lines().filter(|l| l.starts_with("flags")).any(|l| {
        l.split_whitespace()
            .any(|flag| flag == "vmx" || flag == "svm")
    })
}

/// Boots the guest's kernel without a disk: it panics for want of a root, and QEMU ends instead of rebooting.
async fn probe(kernel: &Path) -> Result<(), NoKvm> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !has_virtualisation(&cpuinfo) {
        return Err(NoKvm::Processor);
    }
    if !Path::new("/dev/kvm").exists() {
        return Err(NoKvm::Device);
    }
    let kernel = kernel.display().to_string();
    let run = process::command("qemu-system-x86_64")
        .args([
            "-accel",
            "kvm",
            "-cpu",
            "max",
            "-m",
            "256",
            "-nodefaults",
            "-display",
            "none",
        ])
        .args([
            "-no-reboot",
            "-kernel",
            &kernel,
            "-append",
            "panic=-1 quiet",
        ])
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(PROBE_DEADLINE, run).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(NoKvm::Said(said.trim().to_owned()))
        }
        Ok(Err(error)) => Err(NoKvm::NotStarted(error)),
        Err(_) => Err(NoKvm::Silent {
            within_s: PROBE_DEADLINE.as_secs(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_whole_words() {
        assert!(has_virtualisation("flags\t\t: fpu vmx sse\n"));
        assert!(has_virtualisation("flags\t\t: fpu svm\n"));
        assert!(!has_virtualisation("flags\t\t: fpu svm_lock vmx2\n"));
    }
}
