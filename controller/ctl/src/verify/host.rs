//! What spoils numbers on this host, and inside nodes, while they are measured.

use crate::session::Session;
use continuum_agents::Condition;
use continuum_model::HostFacts;
use std::{collections::BTreeMap, path::Path};
use tokio::time::Instant;

const CONTROL_GROUPS: &str = "/sys/fs/cgroup";
const CPU: &str = "/sys/devices/system/cpu";

/// Counters at one moment.
#[derive(Debug)]
pub(super) struct Look {
    at: Instant,
    /// Ticks of all cores: all, and stolen.
    ticks: (u64, u64),
    throttled_us: u64,
    load: f64,
    nodes: BTreeMap<String, Condition>,
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Cores that this program may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Look {
    pub(super) fn now(nodes: BTreeMap<String, Condition>) -> Self {
        let load = read("/proc/loadavg");
        Self {
            at: Instant::now(),
            ticks: ticks(&read("/proc/stat")),
            throttled_us: throttled_us(Path::new(CONTROL_GROUPS), &read("/proc/self/cgroup")),
            load: load
                .split(' ')
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0.0),
            nodes,
        }
    }

    pub(super) fn nodes(&self) -> &BTreeMap<String, Condition> {
        &self.nodes
    }

    /// From the first look to this one.
    pub(super) fn since(&self, first: &Self, session: &Session) -> HostFacts {
        let nodes = &session.plan.nodes;
        let passed_us = (self.at - first.at).as_micros() as f64;
        let share = |part: u64, all: f64| if all > 0.0 { part as f64 / all } else { 0.0 };
        let of_nodes = |part: fn(&Condition) -> u64,
                        all: &dyn Fn(&Condition, &Condition) -> f64| {
            let pairs = self.nodes.iter();
            let pairs = pairs.filter_map(|(node, last)| Some((node, last, first.nodes.get(node)?)));
            let one = |(node, last, first): (&String, &Condition, &Condition)| {
                let part = part(last).saturating_sub(part(first));
                (node.clone(), share(part, all(last, first)))
            };
            pairs.map(one).collect()
        };
        let cpu_ms =
            |last: &Condition, first: &Condition| last.cpu_ms.saturating_sub(first.cpu_ms) as f64;
        let passed_ms = |_: &Condition, _: &Condition| passed_us / 1000.0;
        let clock = |(node, condition): (&String, &Condition)| {
            (node.clone(), condition.clock_source.clone())
        };
        HostFacts {
            cores: cores(),
            promised_cores: nodes.iter().map(|n| f64::from(n.cores) * n.quota).sum(),
            load_before: first.load,
            steal_share: share(
                self.ticks.1.saturating_sub(first.ticks.1),
                self.ticks.0.saturating_sub(first.ticks.0) as f64,
            ),
            throttled_share: share(
                self.throttled_us.saturating_sub(first.throttled_us),
                passed_us,
            ),
            governor: read(format!("{CPU}/cpu0/cpufreq/scaling_governor"))
                .trim()
                .into(),
            stolen_share: of_nodes(|c| c.steal_ms, &cpu_ms),
            node_throttled_share: of_nodes(|c| c.throttled_ms, &passed_ms),
            clock_source: self.nodes.iter().map(clock).collect(),
        }
    }
}

/// All, and what other machines of this one's host had.
fn ticks(stat: &str) -> (u64, u64) {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let numbers = line.unwrap_or_default().split_whitespace();
    let ticks: Vec<u64> = numbers.filter_map(|n| n.parse().ok()).collect();
    (
        ticks.iter().take(8).sum(),
        ticks.get(7).copied().unwrap_or(0),
    )
}

/// Of the own control group and all above it, in version 2.
fn throttled_us(root: &Path, own: &str) -> u64 {
    let Some(group) = own.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return 0;
    };
    let path = root.join(group);
    let groups = path.ancestors().take_while(|dir| dir.starts_with(root));
    let of_group = |dir: &Path| {
        let stat = read(dir.join("cpu.stat"));
        let line = stat.lines().find_map(|l| l.strip_prefix("throttled_usec "));
        line?.trim().parse::<u64>().ok()
    };
    groups.filter_map(of_group).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_host_are_read() {
        assert_eq!(ticks("cpu  10 0 5 80 1 0 1 3 2 0\n"), (100, 3));
        assert_eq!(ticks("intr 1\n"), (0, 0));
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("cpu.stat"), "usage_usec 9\nthrottled_usec 7\n").unwrap();
        assert_eq!(throttled_us(root.path(), "0::/a\n"), 7);
        assert_eq!(throttled_us(root.path(), "3:cpu:/a\n"), 0);
    }
}
