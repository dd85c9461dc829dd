//! Which link classes each node gets.

use continuum_config::Network;
use continuum_model::{LinkClass, NodePlan, Peer, Tier};

/// Classes of one node: a tier without other nodes takes none, and endpoints are not linked with each other.
pub fn links_of(node: &NodePlan, nodes: &[NodePlan], network: &Network) -> Vec<LinkClass> {
    Tier::ALL
        .into_iter()
        .filter_map(|tier| {
            let link = network.link(node.tier, tier)?;
            let peers: Vec<Peer> = nodes
                .iter()
                .filter(|n| n.tier == tier && n.slot != node.slot)
                .map(|n| Peer {
                    node: n.name.clone(),
                    // Pods of a node are as far away as the node.
                    prefixes: std::iter::once(n.address.into())
                        .chain(n.pod_prefix)
                        .collect(),
                })
                .collect();
            (!peers.is_empty()).then(|| LinkClass {
                overhead_ms: 0.0,
                name: tier.name().to_owned(),
                latency_ms: link.latency_ms,
                jitter_ms: link.jitter_ms,
                loss_percent: link.loss_percent,
                rate_mbit: link.rate_mbit,
                peers,
            })
        })
        .collect()
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
        assert!((edge[1].rate_mbit - 7.21).abs() < 1e-9);
        let endpoint = links_of(&plan.nodes[2], &plan.nodes, &config.network);
        assert_eq!(endpoint.len(), 1);
        assert_eq!(
            endpoint[0].peers[1].prefixes,
            ["10.0.0.3/32".parse().unwrap()]
        );
        assert_eq!(plan.brokers, ["edge0", "edge1"]);
    }
}
