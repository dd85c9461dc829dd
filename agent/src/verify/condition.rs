//! What the node's kernel says of itself.

use std::path::Path;

/// In which /proc counts, whatever the kernel's own clock.
const MS_PER_TICK: u64 = 10;
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// See `ConditionResponse`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Condition {
    pub memory_bytes: u64,
    pub cores: u32,
    pub cpu_ms: u64,
    pub idle_ms: u64,
    pub steal_ms: u64,
    pub throttled_ms: u64,
    pub load: f64,
    pub governor: String,
    pub clock_source: String,
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// As it is now.
pub(crate) fn condition() -> Condition {
    let processors = "/sys/devices/system";
    let (cpu_ms, idle_ms, steal_ms) = times(&read("/proc/stat"));
    let load = read("/proc/loadavg");
    Condition {
        memory_bytes: memory_bytes(&read("/proc/meminfo")),
        cores: std::thread::available_parallelism().map_or(0, |n| n.get() as u32),
        cpu_ms,
        idle_ms,
        steal_ms,
        throttled_ms: throttled_ms(Path::new(CONTROL_GROUPS), &read("/proc/self/cgroup")),
        load: load
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0.0),
        governor: read(format!("{processors}/cpu/cpu0/cpufreq/scaling_governor"))
            .trim()
            .into(),
        clock_source: read(format!(
            "{processors}/clocksource/clocksource0/current_clocksource"
        ))
        .trim()
        .into(),
    }
}

fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// All, idle, stolen, of all cores together.
fn times(stat: &str) -> (u64, u64, u64) {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks = line.unwrap_or_default().split_whitespace();
    let ms: Vec<u64> = ticks
        .filter_map(|tick| Some(tick.parse::<u64>().ok()? * MS_PER_TICK))
        .collect();
    let at = |index: usize| ms.get(index).copied().unwrap_or(0);
    // Guests' time, behind these, is part of the first already.
    (ms.iter().take(8).sum(), at(3) + at(4), at(7))
}

/// Of the own group and all above it.
fn throttled_ms(root: &Path, own: &str) -> u64 {
    let Some(group) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return 0;
    };
    let path = root.join(group);
    let groups = path.ancestors().take_while(|dir| dir.starts_with(root));
    let microseconds = groups.filter_map(|dir| {
        let stat = read(dir.join("cpu.stat"));
        let line = stat.lines().find_map(|l| l.strip_prefix("throttled_usec "));
        line?.trim().parse::<u64>().ok()
    });
    microseconds.sum::<u64>() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat = "cpu  100 0 50 800 10 0 5 35 20 0\ncpu0 1 2 3\n";
        assert_eq!(times(stat), (10_000, 8100, 350));
        assert_eq!(times(""), (0, 0, 0));
        assert_eq!(
            memory_bytes("MemTotal:     2041 kB\nMemFree: 1 kB\n"),
            2041 << 10
        );
    }

    #[test]
    fn time_in_every_group_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("system.slice/agent.service");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(
            own.join("cpu.stat"),
            "nr_throttled 3\nthrottled_usec 2500\n",
        )
        .unwrap();
        std::fs::write(
            root.path().join("system.slice/cpu.stat"),
            "throttled_usec 1500\n",
        )
        .unwrap();
        let of = |text| throttled_ms(root.path(), text);
        assert_eq!(of("1:cpu:/x\n0::/system.slice/agent.service\n"), 4);
        assert_eq!(of("1:cpu:/x\n"), 0);
    }
}
