//! Which link classes each node gets.

use continuum_config::{Network, OneWay};
use continuum_model::{LinkClass, NodePlan, Peer, Tier};

/// Classes of one node, as the config has its links: a tier without other nodes takes none, and endpoints are not linked
/// with each other.
pub fn links_of(node: &NodePlan, nodes: &[NodePlan], network: &Network) -> Vec<LinkClass> {
    classes(node, nodes, network, &|from, to| network.between(from, to))
}

/// Classes of one node. Peers of a tier stay one class as long as their links are alike; one whose link is another gets a
/// class of its own, with its name.
pub(crate) fn classes(
    node: &NodePlan,
    nodes: &[NodePlan],
    network: &Network,
    way: &dyn Fn(&NodePlan, &NodePlan) -> Option<OneWay>,
) -> Vec<LinkClass> {
    let mut classes = Vec::new();
    for tier in Tier::ALL {
        let Some(base) = network.link(node.tier, tier) else {
            continue;
        };
        let others = nodes
            .iter()
            .filter(|n| n.tier == tier && n.slot != node.slot);
        let peers: Vec<(Peer, OneWay)> = others
            .filter_map(|other| Some((peer(node, other, way), way(node, other)?)))
            .collect();
        let Some((_, first)) = peers.first() else {
            continue;
        };
        // The others of a tier whose links are alike, whatever they are.
        let usual = if peers.iter().all(|(_, own)| own == first) {
            first.clone()
        } else {
            OneWay {
                link: base,
                trace: first.trace.clone(),
            }
        };
        let (alike, own): (Vec<_>, Vec<_>) = peers.into_iter().partition(|(_, own)| *own == usual);
        if !alike.is_empty() {
            let peers = alike.into_iter().map(|(peer, _)| peer).collect();
            classes.push(class(tier.name(), usual, peers));
        }
        for (peer, way) in own {
            classes.push(class(&peer.node.clone(), way, vec![peer]));
        }
    }
    classes
}

fn peer(
    node: &NodePlan,
    other: &NodePlan,
    way: &dyn Fn(&NodePlan, &NodePlan) -> Option<OneWay>,
) -> Peer {
    Peer {
        node: other.name.clone(),
        // Pods of a node are as far away as the node.
        prefixes: std::iter::once(other.address.into())
            .chain(other.pod_prefix)
            .collect(),
        mac: other.mac.clone(),
        is_cut_off: way(other, node).is_some_and(|back| back.link.is_cut()),
    }
}

fn class(name: &str, way: OneWay, peers: Vec<Peer>) -> LinkClass {
    LinkClass {
        overhead_ms: 0.0,
        name: name.to_owned(),
        link: way.link,
        trace: way.trace,
        peers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use continuum_model::Prefix;

    #[test]
    fn both_ends_shape_and_endpoints_do_not_see_each_other() {
        let config = parse(
            r#"infrastructure = { provider = "qemu", edge = { nodes = 2, cores = 1, memory_mib = 1024 }, endpoint = { nodes = 2, cores = 1, memory_mib = 512 } }
               network.preset = "4g"
               software.resource_manager = "mist"
               benchmark = { application = "image_classification", frequency = 1 }"#,
            "t.toml", false, "t", &[],
        ).unwrap().config;
        let plan = crate::plan(&config, Prefix::from([10, 0, 0]));
        let edge = links_of(&plan.nodes[0], &plan.nodes, &config.network);
        assert_eq!(
            edge.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
            ["edge", "endpoint"]
        );
        assert_eq!(edge[1].peers.len(), 2);
        assert!((edge[1].link.rate_mbit - 7.21).abs() < 1e-9);
        let endpoint = links_of(&plan.nodes[2], &plan.nodes, &config.network);
        assert_eq!(endpoint.len(), 1);
        assert_eq!(
            endpoint[0].peers[1].prefixes,
            ["10.0.0.3/32".parse().unwrap()]
        );
        assert_eq!(plan.brokers, ["edge0", "edge1"]);
    }

    #[test]
    fn directions_and_overrides_make_links_different() {
        let config = parse(
            r#"infrastructure = { provider = "qemu", infra_only = true, edge = { nodes = 2, cores = 1, memory_mib = 1024 }, endpoint = { nodes = 2, cores = 1, memory_mib = 512 } }
               network = { preset = "4g", endpoint_to_edge = { rate_mbit = 2.0 }, override = ["between edge0 endpoint1 latency_ms=40", "from edge1 to endpoint loss_percent=1", "node edge1 queue_ms=50"] }"#,
            "t.toml", false, "t", &[],
        ).unwrap().config;
        let plan = crate::plan(&config, Prefix::from([10, 0, 0]));
        let seen = |index: usize| -> Vec<String> {
            links_of(&plan.nodes[index], &plan.nodes, &config.network)
                .iter()
                .map(|c| {
                    let l = &c.link;
                    format!(
                        "{} {} {} {} {}",
                        c.name, l.latency_ms, l.rate_mbit, l.loss_percent, l.queue_ms
                    )
                })
                .collect()
        };
        assert_eq!(
            seen(0),
            [
                "edge 7.5 1000 0 50",
                "endpoint 7.5 7.21 0 1000",
                "endpoint1 40 7.21 0 1000"
            ]
        );
        assert_eq!(seen(1), ["edge 7.5 1000 0 50", "endpoint 7.5 7.21 1 50"]);
        assert_eq!(seen(2), ["edge 7.5 2 0 1000", "edge1 7.5 2 0 50"]);
        assert_eq!(seen(3), ["edge0 40 2 0 1000", "edge1 7.5 2 0 50"]);
    }
}
