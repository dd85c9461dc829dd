//! What a host must have for a plan. Pure: the host is asked elsewhere.

use super::{
    accelerator::{Accelerator, MemoryHeadroom},
    hypervisor::HostInfo,
};
use continuum_model::Plan;

/// Memory that the host keeps for itself.
const HOST_RESERVE_MIB: u64 = 1024;
/// QEMU's own memory beyond the guest's and that for translated code.
const QEMU_OVERHEAD_MIB: u64 = 150;

/// What QEMU needs for all nodes, beyond the guests' own memory.
fn overheads_mib(plan: &Plan, accelerator: Accelerator, headroom: MemoryHeadroom) -> u64 {
    let overhead =
        |memory_mib| QEMU_OVERHEAD_MIB + accelerator.translation_mib(memory_mib, headroom);
    plan.nodes.iter().map(|n| overhead(n.memory_mib)).sum()
}

fn usable_mib(host: HostInfo) -> u64 {
    let free = host.memory_available_mib.min(host.memory_unpromised_mib);
    free.saturating_sub(HOST_RESERVE_MIB)
}

/// Whether the host has memory for all the code that its guests may have translated.
pub(super) fn headroom(host: HostInfo, plan: &Plan, accelerator: Accelerator) -> MemoryHeadroom {
    let wanted = plan.memory_mib() + overheads_mib(plan, accelerator, MemoryHeadroom::Ample);
    if wanted <= usable_mib(host) {
        MemoryHeadroom::Ample
    } else {
        MemoryHeadroom::Scarce
    }
}

/// Every reason why the host cannot carry the plan, with the sums.
pub(super) fn reasons(host: HostInfo, plan: &Plan, accelerator: Accelerator) -> Vec<String> {
    let mut reasons = Vec::new();
    let guests = plan.memory_mib();
    let overheads = overheads_mib(plan, accelerator, MemoryHeadroom::Scarce);
    let wanted = guests + overheads;
    let usable = usable_mib(host);
    if wanted > usable {
        reasons.push(format!(
            "the nodes need {wanted} MiB (guests {guests} MiB, QEMU itself {overheads} MiB), but only {usable} MiB \
             are usable (available {} MiB, not promised to running guests {} MiB, kept for the host \
             {HOST_RESERVE_MIB} MiB); take fewer or smaller nodes",
            host.memory_available_mib, host.memory_unpromised_mib,
        ));
    }
    let pinned = plan.nodes.iter().map(|n| n.pinned.len()).sum::<usize>() as u32;
    if pinned > host.cpus {
        reasons.push(format!(
            "cpu_pin needs {pinned} physical cores, this host has {}",
            host.cpus
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\ncpu_pin = true\ninfra_only = true\n[infrastructure.endpoint]\n\
                          nodes = 3\ncores = 2\nmemory_mib = 1024\n";

    fn check(available: u64, unpromised: u64, cpus: u32) -> Vec<String> {
        check_on(Accelerator::Kvm, available, unpromised, cpus)
    }

    fn check_on(
        accelerator: Accelerator,
        available: u64,
        unpromised: u64,
        cpus: u32,
    ) -> Vec<String> {
        reasons(host(available, unpromised, cpus), &plan(), accelerator)
    }

    fn headroom_on(available: u64) -> MemoryHeadroom {
        headroom(host(available, 9999, 6), &plan(), Accelerator::Tcg)
    }

    fn plan() -> Plan {
        let config = continuum_plan::parse(CONFIG, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        continuum_plan::plan(&config, Prefix::from([192, 168, 100]))
    }

    fn host(available: u64, unpromised: u64, cpus: u32) -> HostInfo {
        HostInfo {
            cpus,
            memory_available_mib: available,
            memory_unpromised_mib: unpromised,
        }
    }

    #[test]
    fn memory_is_refused_with_the_sums() {
        // Three guests of 1024 and 150 each, and 1024 for the host.
        assert!(check(4546, 4546, 6).is_empty());
        let text = check(4545, 9999, 6).join("");
        for part in [
            "need 3522 MiB",
            "guests 3072 MiB",
            "only 3521 MiB",
            "available 4545 MiB",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        // Emulated, each needs 256 more.
        assert!(check_on(Accelerator::Tcg, 5314, 5314, 6).is_empty());
        // And takes 512 where there is room.
        assert_eq!(headroom_on(6081), MemoryHeadroom::Scarce);
        assert_eq!(headroom_on(6082), MemoryHeadroom::Ample);
        assert_eq!(check_on(Accelerator::Tcg, 5313, 5314, 6).len(), 1);
        assert_eq!(
            check(9999, 4545, 6).len(),
            1,
            "guests that run have a claim to their memory"
        );
    }

    #[test]
    fn four_small_workers_are_too_much_for_a_host_of_four_gigabytes() {
        let text = "name = \"d\"\ninfrastructure = { provider = \"qemu\", cloud = { nodes = 5, cores = 1, memory_mib = 768, \
                    controller = { cores = 2, memory_mib = 2560 } } }\nsoftware = { resource_manager = \"kubernetes\", \
                    resource_manager_only = true }\n";
        let config = continuum_plan::parse(text, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let plan = continuum_plan::plan(&config, Prefix::from([192, 168, 100]));
        let on = |memory_mib| {
            let host = HostInfo {
                cpus: 2,
                memory_available_mib: memory_mib,
                memory_unpromised_mib: memory_mib,
            };
            reasons(host, &plan, Accelerator::Tcg).join("")
        };
        let text = on(4096);
        for part in ["guests 5632 MiB", "available 4096 MiB"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(on(16 << 10).is_empty());
    }

    #[test]
    fn pinned_cores_must_exist() {
        assert!(
            check(9999, 9999, 5)
                .join("")
                .contains("needs 6 physical cores")
        );
    }
}
