//! Link classes of a node after links were changed.

use super::links_of;
use continuum_config::{Change, LinkChange, Network};
use continuum_model::{Link, LinkClass, NodePlan, Peer};

fn concerns(change: &LinkChange, one: &NodePlan, other: &NodePlan) -> bool {
    let is = |place: &str, node: &NodePlan| place == node.name || place == node.tier.name();
    let (a, b) = (&change.a, &change.b);
    (is(a, one) && is(b, other)) || (is(a, other) && is(b, one))
}

fn changed(link: Link, change: Change) -> Link {
    match change {
        Change::Cut => Link {
            loss_percent: 100.0,
            ..link
        },
        Change::Set {
            latency_ms,
            jitter_ms,
            loss_percent,
            rate_mbit,
        } => Link {
            latency_ms: latency_ms.unwrap_or(link.latency_ms),
            jitter_ms: jitter_ms.unwrap_or(link.jitter_ms),
            loss_percent: loss_percent.unwrap_or(link.loss_percent),
            rate_mbit: rate_mbit.unwrap_or(link.rate_mbit),
        },
    }
}

fn class(name: &str, link: Link, peers: Vec<Peer>) -> LinkClass {
    LinkClass {
        overhead_ms: 0.0,
        name: name.to_owned(),
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        loss_percent: link.loss_percent,
        rate_mbit: link.rate_mbit,
        peers,
    }
}

/// Classes of one node after changes, the later ones over the earlier. Peers of a tier stay one class as long as their
/// links are alike; one whose link is another gets a class of its own, with its name.
pub fn changed_links(
    node: &NodePlan,
    nodes: &[NodePlan],
    network: &Network,
    changes: &[LinkChange],
) -> Vec<LinkClass> {
    let mut classes: Vec<LinkClass> = Vec::new();
    for mut tier in links_of(node, nodes, network) {
        let base = Link {
            latency_ms: tier.latency_ms,
            jitter_ms: tier.jitter_ms,
            loss_percent: tier.loss_percent,
            rate_mbit: tier.rate_mbit,
        };
        let link_to = |peer: &Peer| {
            let other = nodes.iter().find(|n| n.name == peer.node);
            let of_it = changes
                .iter()
                .filter(|c| other.is_some_and(|o| concerns(c, node, o)));
            of_it.fold(base, |link, c| changed(link, c.change))
        };
        let links: Vec<Link> = tier.peers.iter().map(link_to).collect();
        let peers = std::mem::take(&mut tier.peers);
        if links.windows(2).all(|w| w.first() == w.last()) {
            let link = links.first().copied().unwrap_or(base);
            classes.push(class(&tier.name, link, peers));
            continue;
        }
        let mut alike = Vec::new();
        let mut own = Vec::new();
        for (peer, link) in peers.into_iter().zip(links) {
            if link == base {
                alike.push(peer);
            } else {
                own.push(class(&peer.node.clone(), link, vec![peer]));
            }
        }
        if !alike.is_empty() {
            classes.push(class(&tier.name, base, alike));
        }
        classes.extend(own);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use continuum_model::{Plan, Prefix};

    fn plan() -> (Plan, Network) {
        let text = r#"infrastructure = { provider = "qemu", edge = { nodes = 2, cores = 1, memory_mib = 1024 }, endpoint = { nodes = 2, cores = 1, memory_mib = 512 } }
               network.preset = "4g"
               software.resource_manager = "mist"
               benchmark = { application = "image_classification", frequency = 1 }"#;
        let config = parse(text, "t.toml", false, "t", &[]).unwrap().config;
        (crate::plan(&config, Prefix([10, 0, 0])), config.network)
    }

    fn cut(a: &str, b: &str) -> LinkChange {
        LinkChange {
            a: a.into(),
            b: b.into(),
            change: Change::Cut,
        }
    }

    fn losses(classes: &[LinkClass]) -> Vec<(&str, f64, usize)> {
        classes
            .iter()
            .map(|c| (&*c.name, c.loss_percent, c.peers.len()))
            .collect()
    }

    #[test]
    fn a_tier_stays_one_class_and_a_node_gets_its_own() {
        let (plan, network) = plan();
        let of = |index: usize, changes: &[LinkChange]| {
            changed_links(&plan.nodes[index], &plan.nodes, &network, changes)
        };
        let tiers = [cut("endpoint", "edge")];
        assert_eq!(
            losses(&of(0, &tiers)),
            [("edge", 0.0, 1), ("endpoint", 100.0, 2)]
        );
        assert_eq!(losses(&of(2, &tiers)), [("edge", 100.0, 2)]);
        let nodes = [cut("edge0", "endpoint1")];
        assert_eq!(
            losses(&of(0, &nodes)),
            [
                ("edge", 0.0, 1),
                ("endpoint", 0.0, 1),
                ("endpoint1", 100.0, 1)
            ]
        );
        assert_eq!(losses(&of(1, &nodes)), losses(&of(1, &[])));
        // The other end sees it too.
        assert_eq!(
            losses(&of(3, &nodes)),
            [("edge", 0.0, 1), ("edge0", 100.0, 1)]
        );
    }

    #[test]
    fn later_changes_win_and_what_is_not_given_stays() {
        let (plan, network) = plan();
        let slow = LinkChange {
            change: Change::Set {
                latency_ms: Some(200.0),
                jitter_ms: None,
                loss_percent: None,
                rate_mbit: None,
            },
            ..cut("edge", "endpoint")
        };
        let classes = changed_links(&plan.nodes[2], &plan.nodes, &network, &[slow]);
        assert!((classes[0].latency_ms - 200.0).abs() < 1e-9);
        assert!((classes[0].rate_mbit - 7.21).abs() < 1e-9);
    }
}
