//! How much of everything is measured. Pure.

use continuum_agents::{TrainSpec, TransferSpec};
use continuum_model::{LinkClass, NodePlan, VerifyMode};
use std::time::Duration;

/// Round trips of one way.
pub(super) const PROBES: u32 = 200;
/// A link that is cut is asked so often.
pub(super) const PROBES_OF_A_CUT: u32 = 3;
/// Of an echo request and its answer, on the wire.
pub(super) const PROBE_BYTES: u64 = 2 * 98;
/// Transfers that run at the same time ask no more of the host than this, together.
const MOST_TOGETHER_MBIT: f64 = 50.0;
/// Bytes that are in flight and wait behind each other, beyond what fills the way: so much later is the last of them.
const WAITING: Duration = Duration::from_millis(60);
const LEAST_BUFFER_BYTES: f64 = 32.0 * 1024.0;
const MOST_BUFFER_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
/// A rate is told by no fewer full packets.
const LEAST_PACKETS: f64 = 60.0;
const PACKET_BYTES: f64 = 1514.0;
/// Of a link, for datagrams: more would wait, and be lost for another reason.
const SHARE_FOR_DATAGRAMS: f64 = 0.3;
const DATAGRAM_BYTES: f64 = 74.0;

/// Lengths of one mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    pub(super) probe_interval: Duration,
    count: Duration,
    most_bytes: u64,
    datagrams: u32,
    longest_train: Duration,
    /// All cores of all nodes, one after the other.
    cores: Duration,
    longest_busy: Duration,
    pub(super) disk: Duration,
    pub(super) disk_bytes: u64,
}

impl Pace {
    /// Where links are not emulated a round trip takes microseconds, and so may the pause between two; where cores have no
    /// limit, a moment tells as much as a second.
    pub(super) fn of(mode: VerifyMode, is_emulated: bool, has_limits: bool) -> Self {
        let probe_ms = match (mode, is_emulated) {
            (_, false) => 2,
            (VerifyMode::Full, true) => 15,
            (_, true) => 10,
        };
        let probe_interval = Duration::from_millis(probe_ms);
        if mode == VerifyMode::Full {
            return Self {
                probe_interval,
                count: Duration::from_secs(4),
                most_bytes: 512 << 20,
                datagrams: 5000,
                longest_train: Duration::from_secs(8),
                cores: Duration::MAX,
                longest_busy: Duration::from_secs(3),
                disk: Duration::from_secs(3),
                disk_bytes: 256 << 20,
            };
        }
        Self {
            probe_interval,
            count: Duration::from_millis(700),
            most_bytes: 48 << 20,
            datagrams: 1000,
            longest_train: Duration::from_millis(1500),
            cores: Duration::from_secs(3),
            longest_busy: Duration::from_millis(if has_limits { 1000 } else { 300 }),
            disk: Duration::from_millis(700),
            disk_bytes: 64 << 20,
        }
    }

    /// For a link of that class on a way with such a round trip.
    pub(super) fn transfer(&self, class: &LinkClass, round_trip_ms: f64) -> TransferSpec {
        let bytes_per_s = class.link.rate_mbit * 1e6 / 8.0;
        let way = Duration::from_secs_f64(round_trip_ms / 1000.0);
        let least = Duration::from_secs_f64(LEAST_PACKETS * PACKET_BYTES / bytes_per_s);
        let skip = self.count / 3 + way * 4;
        let count = self.count.max(least);
        let buffer = bytes_per_s * (way + WAITING).as_secs_f64();
        let buffer = buffer.clamp(LEAST_BUFFER_BYTES, MOST_BUFFER_BYTES);
        // Half as much again as the link may carry: enough to see that it carries more.
        let carried = 1.5 * bytes_per_s * (skip + count).as_secs_f64() + 2.0 * buffer;
        TransferSpec {
            skip,
            count,
            most_bytes: (carried as u64).min(self.most_bytes),
            buffer_bytes: buffer as u32,
        }
    }

    /// Likewise, for datagrams.
    pub(super) fn train(&self, class: &LinkClass, round_trip_ms: f64) -> TrainSpec {
        let bytes_per_s = class.link.rate_mbit * 1e6 / 8.0;
        let apart = DATAGRAM_BYTES / (SHARE_FOR_DATAGRAMS * bytes_per_s);
        let interval = Duration::from_secs_f64(apart).max(Duration::from_millis(1));
        let fit = self.longest_train.as_nanos() / interval.as_nanos().max(1);
        let wait =
            Duration::from_secs_f64(round_trip_ms / 1000.0 + 8.0 * class.link.jitter_ms / 1000.0);
        TrainSpec {
            count: self.datagrams.min(fit as u32).max(PROBES),
            interval,
            wait: wait + Duration::from_millis(50),
        }
    }

    /// How long each of so many groups of nodes keeps its cores busy.
    pub(super) fn busy(&self, groups: usize) -> Duration {
        let share = self.cores / groups.max(1) as u32;
        share.clamp(Duration::from_millis(300), self.longest_busy)
    }
}

/// Groups whose members run at the same time without disturbing each other; the rest of the order stays. No two of a group
/// have a node in common, and together they need no more than there is.
pub(super) fn groups<T>(
    all: impl IntoIterator<Item = T>,
    nodes: impl Fn(&T) -> Vec<String>,
    needs: impl Fn(&T) -> f64,
    most: f64,
) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    for one in all {
        let own = nodes(&one);
        let fits = |group: &&mut Vec<T>| {
            let needed: f64 = group.iter().map(&needs).sum();
            let is_apart = group
                .iter()
                .all(|other| nodes(other).iter().all(|node| !own.contains(node)));
            is_apart && needed + needs(&one) <= most
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// Transfers, by the rates that were asked for.
pub(super) fn transfer_groups<T>(
    all: impl IntoIterator<Item = T>,
    nodes: impl Fn(&T) -> Vec<String>,
    rate_mbit: impl Fn(&T) -> f64,
) -> Vec<Vec<T>> {
    groups(all, nodes, rate_mbit, MOST_TOGETHER_MBIT)
}

/// Nodes whose cores the host has at the same time.
pub(super) fn core_groups(nodes: &[NodePlan], host_cores: usize) -> Vec<Vec<&NodePlan>> {
    let name = |node: &&NodePlan| vec![node.name.clone()];
    groups(nodes, name, |node| node.cores.into(), host_cores as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Link;

    fn class(rate_mbit: f64) -> LinkClass {
        LinkClass {
            name: "edge".into(),
            link: Link {
                latency_ms: 7.5,
                rate_mbit,
                ..Link::PLAIN
            },
            trace: None,
            overhead_ms: 0.0,
            peers: Vec::new(),
        }
    }

    #[test]
    fn a_transfer_costs_what_its_rate_needs_and_no_more() {
        let quick = Pace::of(VerifyMode::Quick, true, true);
        let of_4g = quick.transfer(&class(7.21), 15.0);
        assert!(
            (500_000..3_000_000).contains(&of_4g.most_bytes),
            "{of_4g:?}"
        );
        // A second would carry twenty packets.
        let slow = quick.transfer(&class(0.25), 15.0);
        assert!(slow.count > Duration::from_secs(2), "{slow:?}");
        assert_eq!(slow.buffer_bytes, 32 * 1024);
        let fast = quick.transfer(&class(10_000.0), 15.0);
        assert_eq!(fast.most_bytes, 48 << 20);
    }

    #[test]
    fn datagrams_leave_the_link_its_room() {
        let quick = Pace::of(VerifyMode::Quick, true, true);
        let usual = quick.train(&class(7.21), 15.0);
        assert_eq!((usual.count, usual.interval.as_millis()), (1000, 1));
        let slow = quick.train(&class(0.25), 15.0);
        assert!(slow.interval > Duration::from_millis(7), "{slow:?}");
        assert_eq!(slow.count, 200);
    }

    #[test]
    fn ten_nodes_of_a_core_on_two_are_measured_within_seconds() {
        let quick = Pace::of(VerifyMode::Quick, true, true);
        assert_eq!(quick.busy(5), Duration::from_millis(600));
        assert_eq!(quick.busy(1), Duration::from_secs(1));
        assert_eq!(
            Pace::of(VerifyMode::Full, true, true).busy(5),
            Duration::from_secs(3)
        );
    }

    #[test]
    fn who_shares_a_node_or_a_core_takes_turns() {
        let pairs = [
            ("a", "b", 7.0),
            ("b", "a", 7.0),
            ("c", "d", 7.0),
            ("d", "e", 1000.0),
        ];
        let names = |pair: &(&str, &str, f64)| vec![pair.0.to_owned(), pair.1.to_owned()];
        let found = transfer_groups(pairs, names, |pair| pair.2);
        let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1], "{found:?}");
    }
}
