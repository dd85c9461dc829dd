//! What messages take from one node to the next, by what was asked of links.

use crate::LinkRequests;
use continuum_config::{Network, TimelineStep};
use continuum_model::{LinkClass, NodePlan};
use std::collections::BTreeMap;

/// Of Ethernet, IPv4, and TCP with its time stamps: what a link carries for each packet beside its part of the message.
const HEADERS_BYTES: u64 = 66;
/// Of these, those that the largest IP packet has to hold too.
const IN_PACKET_BYTES: u64 = 52;
/// Of Ethernet, where no other is asked for.
const USUAL_MTU_BYTES: u32 = 1500;

/// Why nothing is known of a way that nobody shapes.
pub const NOT_EMULATED: &str = "links are not emulated";

/// One direction of a link that does not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hop {
    pub rate_mbit: f64,
    /// From the last bit sent to the last bit there.
    pub latency_ms: f64,
    /// Largest IP packet.
    pub mtu_bytes: u32,
}

impl Hop {
    /// From the first bit of a message on the link to its last.
    pub fn sending_ms(&self, bytes: u64) -> f64 {
        let part = u64::from(self.mtu_bytes).saturating_sub(IN_PACKET_BYTES);
        let packets = bytes.div_ceil(part.max(1)).max(1);
        let bits = (bytes + packets * HEADERS_BYTES) as f64 * 8.0;
        bits / (self.rate_mbit * 1000.0)
    }
}

/// Links of all nodes while a run lasted.
#[derive(Debug)]
pub struct Hops {
    /// By node that sends; or why nobody knows.
    classes: Result<BTreeMap<String, Vec<LinkClass>>, &'static str>,
    mtu_bytes: u32,
}

impl Hops {
    /// As the config and requests have them.
    pub fn new(
        nodes: &[NodePlan],
        network: &Network,
        requests: &LinkRequests,
        timeline: &[TimelineStep],
    ) -> Self {
        if !network.is_emulated() {
            return Self::unknown(NOT_EMULATED);
        }
        if timeline.iter().any(|step| step.action.ends().is_some()) {
            return Self::unknown("the timeline changes links");
        }
        let classes = nodes
            .iter()
            .map(|node| (node.name.clone(), requests.links_of(node, nodes, network)));
        Self {
            classes: Ok(classes.collect()),
            mtu_bytes: network.mtu_bytes.unwrap_or(USUAL_MTU_BYTES),
        }
    }

    /// Of links that nobody knows, and why.
    pub fn unknown(why: &'static str) -> Self {
        Self {
            classes: Err(why),
            mtu_bytes: USUAL_MTU_BYTES,
        }
    }

    /// From one node to another, or why it is not known.
    pub fn between(&self, from: &str, to: &str) -> Result<Hop, &'static str> {
        let classes = self.classes.as_ref().map_err(|why| *why)?;
        let mut of_node = classes.get(from).into_iter().flatten();
        let class = of_node.find(|class| class.peers.iter().any(|peer| peer.node == to));
        let class = class.ok_or("there is no such link")?;
        if class.trace.is_some() {
            return Err("the link follows a trace");
        }
        if class.link.is_cut() {
            return Err("the link is cut");
        }
        Ok(Hop {
            rate_mbit: class.link.rate_mbit,
            latency_ms: class.link.latency_ms,
            mtu_bytes: self.mtu_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use continuum_model::Prefix;

    #[test]
    fn a_message_takes_its_bits_and_those_of_its_packets_headers() {
        let hop = Hop {
            rate_mbit: 8.0,
            latency_ms: 0.0,
            mtu_bytes: 1500,
        };
        // 8 Mbit/s are a byte each microsecond.
        let us = |bytes| (hop.sending_ms(bytes) * 1000.0).round() as u64;
        assert_eq!(us(1448), 1448 + 66);
        assert_eq!(us(1449), 1449 + 2 * 66);
        assert_eq!(us(59_610), 59_610 + 42 * 66);
        assert_eq!(us(0), 66);
    }

    fn hops(timeline: &str, change: &str) -> Hops {
        let text = format!(
            "infrastructure = {{ provider = \"qemu\", edge = {{ nodes = 1, cores = 1, memory_mib = 1024 }}, \
             endpoint = {{ nodes = 2, cores = 1, memory_mib = 512 }} }}\n\
             network = {{ preset = \"4g\", endpoint_to_edge = {{ rate_mbit = 2.0 }} }}\n\
             software.resource_manager = \"mist\"\n\
             benchmark = {{ application = \"image_classification\", frequency = 1{timeline} }}\n"
        );
        let config = parse(&text, "t.toml", false, "t", &[]).unwrap().config;
        let nodes = crate::plan(&config, Prefix::from([10, 0, 0])).nodes;
        let mut requests = LinkRequests::default();
        if !change.is_empty() {
            requests.add(change.parse().unwrap(), None, &nodes);
        }
        let timeline = config.benchmark.unwrap().timeline;
        Hops::new(&nodes, &config.network, &requests, &timeline)
    }

    #[test]
    fn a_hop_is_the_link_in_force_of_its_direction() {
        let numbers = |hops: &Hops, from, to| {
            let hop = hops.between(from, to).unwrap();
            (hop.rate_mbit, hop.latency_ms)
        };
        let usual = hops("", "");
        assert_eq!(numbers(&usual, "endpoint0", "edge0"), (2.0, 7.5));
        assert_eq!(numbers(&usual, "edge0", "endpoint0"), (7.21, 7.5));
        let changed = hops("", "set edge0 endpoint1 latency_ms=30");
        assert_eq!(numbers(&changed, "endpoint1", "edge0"), (2.0, 30.0));
        assert_eq!(numbers(&changed, "endpoint0", "edge0"), (2.0, 7.5));
    }

    #[test]
    fn a_link_that_is_not_the_same_all_the_time_is_not_known() {
        let why = |hops: &Hops, to| hops.between("endpoint0", to).unwrap_err();
        let changes = hops(", timeline = [\"1 set edge endpoint latency_ms=9\"]", "");
        assert_eq!(why(&changes, "edge0"), "the timeline changes links");
        assert_eq!(
            why(&hops("", "cut edge endpoint"), "edge0"),
            "the link is cut"
        );
        assert_eq!(why(&hops("", ""), "endpoint1"), "there is no such link");
    }
}
