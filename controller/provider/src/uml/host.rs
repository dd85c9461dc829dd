//! What the host has for guests.

use super::{control_groups::ControlGroups, guests, is_root, preflight::Host};
use continuum_host::context::Context;

fn meminfo_mib(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix(field)?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kib| kib / 1024)
}

pub(super) fn read(context: &Context, groups: &ControlGroups) -> Host {
    Host {
        memory_total_mib: meminfo_mib("MemTotal:"),
        memory_available_mib: meminfo_mib("MemAvailable:"),
        memory_promised_mib: guests::running_specs(&context.root)
            .map(|spec| spec.memory_mib)
            .sum(),
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32,
        limits_cpu: groups.has("cpu"),
        is_root: is_root(),
    }
}
