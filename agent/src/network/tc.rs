//! The `tc` commands for a set of link classes. No I/O here.

use super::LinkClass;
use crate::error::AgentError;
use std::fmt::Write;

/// Bytes of a full packet on the wire.
const PACKET_BYTES: f64 = 1514.0;
/// How much the queue holds beyond what is in flight. A sender may offer more than the rate for a while;
/// a second of it must wait in line rather than be lost.
const BACKLOG_MS: f64 = 1000.0;
/// How late a timer may be without cost.
const BURST_MS: f64 = 1.0;
/// What `tc` takes by itself: a full packet.
const LEAST_BURST_BYTES: u64 = 1600;
/// netem's own default; never less.
const LEAST_PACKETS: u32 = 1000;

/// Packets that the netem queue must hold so that it never drops what the link could carry:
/// rate × (latency + 4 standard deviations + one second of backlog).
pub(crate) fn queue_limit_packets(class: &LinkClass) -> u32 {
    let milliseconds = class.latency_ms + 4.0 * class.jitter_ms + BACKLOG_MS;
    let bytes = class.rate_mbit * 1e6 / 8.0 * milliseconds / 1000.0;
    ((bytes / PACKET_BYTES).ceil() as u32).max(LEAST_PACKETS)
}

/// Refuses what `tc` would misread.
pub(super) fn check(class: &LinkClass) -> Result<(), AgentError> {
    let numbers = [
        ("latency_ms", class.latency_ms, 0.0, 60_000.0),
        ("jitter_ms", class.jitter_ms, 0.0, 60_000.0),
        ("loss_percent", class.loss_percent, 0.0, 100.0),
        ("rate_mbit", class.rate_mbit, 0.001, 1_000_000.0),
        ("overhead_ms", class.overhead_ms, 0.0, 1000.0),
    ];
    for (name, value, low, high) in numbers {
        if !value.is_finite() || value < low || value > high {
            return Err(AgentError::Invalid(format!(
                "{name} of link class `{}` is {value}, allowed are {low} to {high}",
                class.name
            )));
        }
    }
    Ok(())
}

fn netem(class: &LinkClass) -> String {
    let mut text = format!("netem limit {}", queue_limit_packets(class));
    if class.latency_ms > 0.0 || class.jitter_ms > 0.0 {
        // `tc` takes no jitter without a delay.
        let least_ms = if class.jitter_ms > 0.0 { 0.001 } else { 0.0 };
        let delay_ms = (class.latency_ms - class.overhead_ms).max(least_ms);
        write!(text, " delay {delay_ms:.3}ms").ok();
        if class.jitter_ms > 0.0 {
            write!(text, " {:.3}ms distribution normal", class.jitter_ms).ok();
        }
    }
    if class.loss_percent > 0.0 {
        write!(text, " loss {:.4}%", class.loss_percent).ok();
    }
    text
}

fn htb(class: &LinkClass) -> String {
    let burst = burst_bytes(class);
    // Rates in bit/s: `tc` rounds fractions of other units.
    format!(
        "htb rate {}bit burst {burst}b cburst {burst}b quantum 15140",
        (class.rate_mbit * 1e6).round() as u64
    )
}

/// Bytes that may leave at once after a pause: what a millisecond carries, or a packet. By itself `tc` allows a packet,
/// which lasts 13 us at 1000 Mbit/s, and every timer that is later than that costs the link some of its rate.
fn burst_bytes(class: &LinkClass) -> u64 {
    let carried = class.rate_mbit * 1e6 / 8.0 * BURST_MS / 1000.0;
    (carried.ceil() as u64).max(LEAST_BURST_BYTES)
}

/// Lines for `tc -batch`, for a device without a root qdisc of ours.
pub(super) fn script(device: &str, classes: &[LinkClass]) -> String {
    let mut text = format!("qdisc add dev {device} root handle 1: htb\n");
    for (index, class) in classes.iter().enumerate() {
        let n = index + 1;
        writeln!(
            text,
            "class add dev {device} parent 1: classid 1:{n:x} {}",
            htb(class)
        )
        .ok();
        writeln!(
            text,
            "qdisc add dev {device} parent 1:{n:x} handle {n:x}0: {}",
            netem(class)
        )
        .ok();
    }
    for (index, class) in classes.iter().enumerate() {
        for prefix in class.peers.iter().flat_map(|p| &p.prefixes) {
            writeln!(
                text,
                "filter add dev {device} parent 1: protocol ip prio 1 flower dst_ip {prefix} classid 1:{:x}",
                index + 1
            )
            .ok();
        }
    }
    text
}

/// Lines that change class number `index` (from 0) in place; packets under way stay in their queue.
pub(super) fn change_script(device: &str, index: usize, class: &LinkClass) -> String {
    let n = index + 1;
    format!(
        "class change dev {device} parent 1: classid 1:{n:x} {}\nqdisc change dev {device} parent 1:{n:x} handle {n:x}0: {}\n",
        htb(class),
        netem(class)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Peer;

    fn class(name: &str, latency: f64, jitter: f64, rate: f64, peers: &[&str]) -> LinkClass {
        LinkClass {
            name: name.into(),
            latency_ms: latency,
            jitter_ms: jitter,
            loss_percent: 0.0,
            rate_mbit: rate,
            overhead_ms: 0.0,
            peers: peers
                .iter()
                .map(|p| Peer {
                    node: "n".into(),
                    prefixes: vec![p.parse().unwrap()],
                })
                .collect(),
        }
    }

    #[test]
    fn script_of_an_endpoint_with_two_tiers() {
        let classes = [
            class("cloud", 45.0, 5.0, 7.21, &["192.168.100.2/32"]),
            class(
                "edge",
                7.5,
                2.5,
                1000.0,
                &["192.168.100.3/32", "10.244.1.0/24"],
            ),
        ];
        assert_eq!(
            script("ens2", &classes),
            "qdisc add dev ens2 root handle 1: htb\n\
             class add dev ens2 parent 1: classid 1:1 htb rate 7210000bit burst 1600b cburst 1600b quantum 15140\n\
             qdisc add dev ens2 parent 1:1 handle 10: netem limit 1000 delay 45.000ms 5.000ms distribution normal\n\
             class add dev ens2 parent 1: classid 1:2 htb rate 1000000000bit burst 125000b cburst 125000b quantum 15140\n\
             qdisc add dev ens2 parent 1:2 handle 20: netem limit 84008 delay 7.500ms 2.500ms distribution normal\n\
             filter add dev ens2 parent 1: protocol ip prio 1 flower dst_ip 192.168.100.2/32 classid 1:1\n\
             filter add dev ens2 parent 1: protocol ip prio 1 flower dst_ip 192.168.100.3/32 classid 1:2\n\
             filter add dev ens2 parent 1: protocol ip prio 1 flower dst_ip 10.244.1.0/24 classid 1:2\n"
        );
    }

    #[test]
    fn what_the_way_takes_by_itself_is_not_waited_for_again() {
        let change = |latency, jitter| {
            let class = LinkClass {
                overhead_ms: 0.4,
                ..class("edge", latency, jitter, 1.0, &[])
            };
            change_script("vec0", 0, &class)
        };
        assert!(change(7.5, 0.0).contains(" delay 7.100ms\n"));
        assert!(change(0.2, 0.0).contains(" delay 0.000ms\n"));
        // What `tc` would refuse.
        assert!(change(0.0, 2.5).contains(" delay 0.001ms 2.500ms "));
        assert!(!change(0.0, 0.0).contains("delay"));
    }

    #[test]
    fn the_queue_holds_delay_times_rate_and_more() {
        let fast = class("cloud", 100.0, 0.0, 10_000.0, &[]);
        let in_flight = 10_000.0 * 1e6 / 8.0 * 0.1 / PACKET_BYTES;
        assert!(f64::from(queue_limit_packets(&fast)) > in_flight);
        assert_eq!(
            queue_limit_packets(&class("a", 0.0, 0.0, 1.0, &[])),
            LEAST_PACKETS
        );
    }

    #[test]
    fn nonsense_is_refused_before_tc_sees_it() {
        assert!(check(&class("a", -1.0, 0.0, 1.0, &[])).is_err());
        assert!(check(&class("a", f64::NAN, 0.0, 1.0, &[])).is_err());
        assert!(check(&class("a", 1.0, 0.0, 0.0, &[])).is_err());
        assert!(check(&class("a", 1.0, 0.0, 1.0, &["10.0.0.1/32"])).is_ok());
    }
}
