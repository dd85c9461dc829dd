//! What a link is, and what follows from its numbers. No I/O here.

use super::{
    bounds::{LATENCY_MS, PERCENT, RATE_MBIT},
    distribution::Distribution,
    trace::Trace,
};
use crate::error::AgentError;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// Bytes of a full packet on the wire.
pub(super) const PACKET_BYTES: f64 = 1514.0;
/// Packets that the shortest queue holds: fewer would lose the first answers of a handshake.
const LEAST_PACKETS: u32 = 4;
/// How late a timer may be without cost.
const LATE_MS: f64 = 2.0;
/// A full packet, with a tag.
const LARGEST_FRAME_BYTES: u64 = 1518;
/// A bundle of segments as the kernel hands them on.
const BUNDLE_BYTES: u32 = 64 << 10;
/// A bundle that lasts longer at the rate of its link is taken apart.
const LONGEST_BUNDLE_MS: f64 = 1.0;

/// One kind of peer and how far away it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkClass {
    /// Usually the peers' tier.
    pub name: String,
    /// One way.
    pub latency_ms: f64,
    /// Standard deviation of the latency.
    pub jitter_ms: f64,
    #[serde(default)]
    pub jitter_distribution: Distribution,
    /// Packets overtake each other.
    #[serde(default)]
    pub jitter_reorders: bool,
    /// Share of packets lost.
    pub loss_percent: f64,
    /// Of the loss of a packet with that of the one before.
    #[serde(default)]
    pub loss_correlation_percent: f64,
    #[serde(default)]
    pub corruption_percent: f64,
    #[serde(default)]
    pub duplication_percent: f64,
    #[serde(default)]
    pub reordering_percent: f64,
    /// Shared by all peers of the class.
    pub rate_mbit: f64,
    /// Length of the queue at that rate.
    #[serde(default = "one_second")]
    pub queue_ms: f64,
    /// What a packet's way takes by itself; the emulated delay is shorter by it.
    pub overhead_ms: f64,
    /// Nodes with their prefixes.
    pub peers: Vec<Peer>,
    /// Numbers that change by themselves; then the rate is its mean.
    #[serde(default)]
    pub trace: Option<Trace>,
}

fn one_second() -> f64 {
    1000.0
}

/// A node on the other side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub node: String,
    /// Addresses that belong to it, as prefixes.
    pub prefixes: Vec<Ipv4Net>,
    /// Of its network card.
    #[serde(default)]
    pub mac: String,
    /// What it sends to many at once is not for this node.
    #[serde(default)]
    pub is_cut_off: bool,
}

impl Peer {
    /// Of its card; what [`LinkClass::check`] accepted has one.
    pub(super) fn mac(&self) -> Option<[u8; 6]> {
        let mut parts = self.mac.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        parts.next().is_none().then_some(bytes)
    }
}

impl LinkClass {
    /// Refuses what the kernel would misread.
    pub(super) fn check(&self) -> Result<(), AgentError> {
        let numbers = [
            ("latency_ms", self.latency_ms, LATENCY_MS),
            ("jitter_ms", self.jitter_ms, LATENCY_MS),
            ("loss_percent", self.loss_percent, PERCENT),
            (
                "loss_correlation_percent",
                self.loss_correlation_percent,
                0.0..=99.0,
            ),
            ("corruption_percent", self.corruption_percent, PERCENT),
            ("duplication_percent", self.duplication_percent, PERCENT),
            ("reordering_percent", self.reordering_percent, PERCENT),
            ("rate_mbit", self.rate_mbit, RATE_MBIT),
            ("queue_ms", self.queue_ms, 1.0..=60_000.0),
            ("overhead_ms", self.overhead_ms, 0.0..=1000.0),
        ];
        for (name, value, allowed) in numbers {
            if !allowed.contains(&value) {
                return Err(AgentError::Invalid(format!(
                    "{name} of link class `{}` is {value}, allowed are {} to {}",
                    self.name,
                    allowed.start(),
                    allowed.end()
                )));
            }
        }
        if self.reordering_percent > 0.0 && self.latency_ms <= 0.0 {
            return Err(AgentError::Invalid(format!(
                "reordering_percent of link class `{}` needs a latency: packets are sent ahead of those that wait",
                self.name
            )));
        }
        if let Some(trace) = &self.trace {
            trace.check()?;
        }
        for peer in &self.peers {
            let node = &peer.node;
            if peer.mac().is_none() {
                let bad = peer.mac.escape_debug();
                return Err(AgentError::Invalid(format!(
                    "`{bad}` of peer `{node}` is not the address of a network card"
                )));
            }
        }
        Ok(())
    }

    /// Packets that are under way, to four standard deviations, and those that wait; never more, so that the queue is as
    /// long as was asked. Small packets fill it sooner.
    pub(crate) fn queue_limit_packets(&self) -> u32 {
        let milliseconds = self.latency_ms + 4.0 * self.jitter_ms + self.queue_ms;
        let packets = self.bytes_in(milliseconds) / PACKET_BYTES;
        (packets.ceil() as u32).max(LEAST_PACKETS)
    }

    fn bytes_in(&self, milliseconds: f64) -> f64 {
        self.rate_mbit * 1e6 / 8.0 * milliseconds / 1000.0
    }

    pub(super) fn rate_bytes_s(&self) -> u64 {
        self.bytes_in(1000.0).round() as u64
    }

    /// Bytes that may leave at once after a pause: a packet, and what the link carries while a timer is late. With a packet
    /// alone every timer that is late would cost the link some of its rate.
    pub(super) fn burst_bytes(&self) -> u64 {
        LARGEST_FRAME_BYTES + self.bytes_in(LATE_MS).ceil() as u64
    }

    /// Largest piece that is handled as one. The kernel hands on up to 64 KiB of segments as one bundle; losses would come in
    /// bursts of forty, and others would wait for its whole length.
    pub(super) fn largest_bytes(&self, mtu_bytes: u32) -> u32 {
        let acts_on_packets = [
            self.loss_percent,
            self.corruption_percent,
            self.duplication_percent,
            self.reordering_percent,
        ]
        .iter()
        .any(|percent| *percent > 0.0);
        let is_slow = self.bytes_in(LONGEST_BUNDLE_MS) < f64::from(BUNDLE_BYTES);
        if acts_on_packets || is_slow {
            // With its frame and a tag.
            mtu_bytes + 18
        } else {
            2 * BUNDLE_BYTES
        }
    }

    pub(super) fn delay_ms(&self) -> f64 {
        (self.latency_ms - self.overhead_ms).max(0.0)
    }

    /// A chain of two states, as netem has it: probabilities that losing begins, and that it ends. Its share of losses is
    /// `loss_percent`, and the correlation of a loss with the packet before is what was asked. netem's own correlation, of
    /// its random numbers, changes the share and is deprecated.
    pub(super) fn loss_chain(&self) -> (f64, f64) {
        let (lost, correlation) = (
            self.loss_percent / 100.0,
            self.loss_correlation_percent / 100.0,
        );
        (
            lost * (1.0 - correlation),
            (1.0 - lost) * (1.0 - correlation),
        )
    }

    /// Whether it is the same but for peers that are cut off or not.
    pub(super) fn has_numbers_of(&self, other: &Self) -> bool {
        Self {
            peers: other.peers.clone(),
            ..self.clone()
        } == *other
    }
}

/// What is sent to many at once has one delay and one chance to be lost: the worst that any of the links has. So none of
/// the receivers gets it earlier or more often than by its own link. Links that are cut do not count: there it is dropped
/// by who receives it.
pub(super) fn to_many(classes: &[LinkClass]) -> Option<LinkClass> {
    let is_open = |class: &&LinkClass| class.loss_percent < 100.0;
    let first = classes.iter().find(is_open).or(classes.first())?;
    let mut worst = LinkClass {
        name: "many".into(),
        peers: Vec::new(),
        trace: None,
        ..first.clone()
    };
    for class in classes.iter().filter(is_open) {
        if class.latency_ms > worst.latency_ms {
            (worst.latency_ms, worst.overhead_ms) = (class.latency_ms, class.overhead_ms);
        }
        worst.jitter_ms = worst.jitter_ms.max(class.jitter_ms);
        worst.loss_percent = worst.loss_percent.max(class.loss_percent);
        worst.corruption_percent = worst.corruption_percent.max(class.corruption_percent);
        worst.duplication_percent = worst.duplication_percent.max(class.duplication_percent);
        worst.reordering_percent = worst.reordering_percent.max(class.reordering_percent);
        worst.rate_mbit = worst.rate_mbit.min(class.rate_mbit);
    }
    Some(worst)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn class(name: &str, latency_ms: f64, rate_mbit: f64) -> LinkClass {
        LinkClass {
            name: name.into(),
            latency_ms,
            jitter_ms: 0.0,
            jitter_distribution: Distribution::Normal,
            jitter_reorders: false,
            loss_percent: 0.0,
            loss_correlation_percent: 0.0,
            corruption_percent: 0.0,
            duplication_percent: 0.0,
            reordering_percent: 0.0,
            rate_mbit,
            queue_ms: 1000.0,
            overhead_ms: 0.0,
            peers: Vec::new(),
            trace: None,
        }
    }

    pub(in super::super) fn peer(node: &str, mac: &str, prefixes: &[&str]) -> Peer {
        Peer {
            node: node.into(),
            prefixes: prefixes.iter().map(|p| p.parse().unwrap()).collect(),
            mac: mac.into(),
            is_cut_off: false,
        }
    }

    #[test]
    fn a_queue_is_as_long_as_was_asked_at_any_rate() {
        for (rate_mbit, queue_ms) in [
            (0.25, 1000.0),
            (7.21, 1000.0),
            (7.21, 100.0),
            (1000.0, 50.0),
        ] {
            let class = LinkClass {
                queue_ms,
                ..class("a", 0.0, rate_mbit)
            };
            let bits = f64::from(class.queue_limit_packets()) * PACKET_BYTES * 8.0;
            let lasts_ms = bits / rate_mbit / 1000.0;
            let packet_ms = PACKET_BYTES * 8.0 / rate_mbit / 1000.0;
            assert!(
                (queue_ms..=queue_ms + packet_ms).contains(&lasts_ms),
                "{lasts_ms} ms of {queue_ms} at {rate_mbit} Mbit/s"
            );
        }
        let slow = class("a", 0.0, 0.001);
        assert_eq!(slow.queue_limit_packets(), LEAST_PACKETS);
    }

    #[test]
    fn what_is_under_way_does_not_count_as_waiting() {
        let far = class("a", 100.0, 10_000.0);
        let near = class("a", 0.0, 10_000.0);
        let under_way = 10_000.0 * 1e6 / 8.0 * 0.1 / PACKET_BYTES;
        let more = far.queue_limit_packets() - near.queue_limit_packets();
        assert!((f64::from(more) - under_way).abs() <= 1.0, "{more}");
    }

    #[test]
    fn bundles_are_taken_apart_where_packets_are_lost_or_slow() {
        let fast = class("a", 5.0, 1000.0);
        assert_eq!(fast.largest_bytes(1500), 2 * BUNDLE_BYTES);
        assert_eq!(class("a", 5.0, 100.0).largest_bytes(1500), 1518);
        let lossy = LinkClass {
            loss_percent: 0.1,
            ..fast
        };
        assert_eq!(lossy.largest_bytes(1400), 1418);
    }

    #[test]
    fn losses_have_the_share_and_the_correlation_that_were_asked() {
        let class = LinkClass {
            loss_percent: 2.0,
            loss_correlation_percent: 25.0,
            ..class("a", 5.0, 100.0)
        };
        let (begins, ends) = class.loss_chain();
        // Of a chain of two states: its share, and its correlation from one step to the next.
        assert!((begins / (begins + ends) - 0.02).abs() < 1e-12);
        assert!((1.0 - begins - ends - 0.25).abs() < 1e-12);
    }

    #[test]
    fn what_goes_to_many_is_as_slow_as_the_worst_link_that_is_not_cut() {
        let cut = LinkClass {
            loss_percent: 100.0,
            ..class("c", 500.0, 0.1)
        };
        let lossy = LinkClass {
            loss_percent: 2.0,
            overhead_ms: 0.3,
            ..class("b", 45.0, 7.21)
        };
        let worst = to_many(&[cut.clone(), class("a", 7.5, 5.0), lossy]).unwrap();
        let of = |c: &LinkClass| (c.latency_ms, c.overhead_ms, c.loss_percent, c.rate_mbit);
        assert_eq!(of(&worst), (45.0, 0.3, 2.0, 5.0));
        assert!(to_many(&[cut]).unwrap().loss_percent >= 100.0);
        assert_eq!(to_many(&[]), None);
    }

    #[test]
    fn nonsense_is_refused_before_the_kernel_sees_it() {
        let good = class("a", 1.0, 1.0);
        let with = |peer| LinkClass {
            peers: vec![peer],
            ..good.clone()
        };
        let mac = "52:54:00:00:00:01";
        assert!(with(peer("n", mac, &["10.0.0.1/32"])).check().is_ok());
        for bad in [
            "",
            "52:54:00:00:00",
            "52:54:00:00:00:01:02",
            "52:54:00:00:00:0g",
        ] {
            assert!(
                with(peer("n", bad, &["10.0.0.1/32"])).check().is_err(),
                "{bad}"
            );
        }
        assert!(class("a", -1.0, 1.0).check().is_err());
        assert!(class("a", f64::NAN, 1.0).check().is_err());
        assert!(class("a", 1.0, 0.0).check().is_err());
        let lost = LinkClass {
            loss_percent: 100.1,
            ..good
        };
        assert!(lost.check().is_err());
    }
}
