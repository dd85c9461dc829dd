//! What was asked for, number by number.

use crate::LinkRequests;
use continuum_config::Network;
use continuum_model::{
    Asked, Distribution, LinkClass, NodePlan, Provable, Quantity, Subject, VerifyMode,
};

/// Two nodes, and what their ways to each other are to be; `None` = nothing was asked of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// One end.
    pub from: NodePlan,
    /// The other.
    pub to: NodePlan,
    pub there: Option<LinkClass>,
    pub back: Option<LinkClass>,
}

impl Way {
    /// Nothing is to get through, at least in one direction.
    pub fn is_cut(&self) -> bool {
        let mut classes = self.there.iter().chain(&self.back);
        classes.any(|class| class.link.is_cut())
    }

    /// Milliseconds there and back that were asked for.
    pub fn round_trip_ms(&self) -> Option<f64> {
        Some(self.there.as_ref()?.link.latency_ms + self.back.as_ref()?.link.latency_ms)
    }

    fn is_alike(&self, other: &Self) -> bool {
        let tiers = |way: &Self| (way.from.tier, way.to.tier);
        let same = |one: &Option<LinkClass>, other: &Option<LinkClass>| match (one, other) {
            (Some(one), Some(other)) => {
                let other = LinkClass {
                    name: one.name.clone(),
                    peers: one.peers.clone(),
                    ..other.clone()
                };
                *one == other
            }
            (None, None) => true,
            _ => false,
        };
        tiers(self) == tiers(other)
            && same(&self.there, &other.there)
            && same(&self.back, &other.back)
    }
}

/// Ways to measure: every two nodes that have a link, or one of all that were asked to be alike. Without emulated links,
/// those between neighbours of the list stand for all.
pub fn ways(
    nodes: &[NodePlan],
    network: &Network,
    requests: &LinkRequests,
    mode: VerifyMode,
) -> Vec<Way> {
    let classes: Vec<Vec<LinkClass>> = nodes
        .iter()
        .map(|node| requests.links_of(node, nodes, network))
        .collect();
    let class_to = |index: usize, to: &NodePlan| {
        let mut of_node = classes.get(index).into_iter().flatten();
        let found = of_node.find(|class| class.peers.iter().any(|peer| peer.node == to.name));
        found.cloned()
    };
    let mut found: Vec<Way> = Vec::new();
    for (index, from) in nodes.iter().enumerate() {
        for (later, to) in nodes.iter().enumerate().skip(index + 1) {
            let way = Way {
                from: from.clone(),
                to: to.clone(),
                there: class_to(index, to),
                back: class_to(later, from),
            };
            let has_link = way.there.is_some() || way.back.is_some();
            if network.is_emulated() && !has_link {
                continue;
            }
            if mode == VerifyMode::Full || !found.iter().any(|other| other.is_alike(&way)) {
                found.push(way);
            }
        }
    }
    found
}

/// Numbers of one way.
pub fn asked_of_ways(ways: &[Way], mode: VerifyMode) -> Vec<Asked> {
    ways.iter()
        .flat_map(|way| asked_of_way(way, mode))
        .collect()
}

fn asked_of_way(way: &Way, mode: VerifyMode) -> Vec<Asked> {
    let round = Subject::way(&way.from.name, &way.to.name);
    let (there, back) = (way.there.as_ref(), way.back.as_ref());
    let (Some(there), Some(back)) = (there, back) else {
        // Nobody asked for anything; the round trip is worth knowing.
        return vec![number(round, Quantity::RoundTrip, None)];
    };
    // A packet with a wrong bit is dropped where it arrives.
    let kept = |class: &LinkClass| {
        (1.0 - class.link.loss_percent / 100.0) * (1.0 - class.link.corruption_percent / 100.0)
    };
    let round_loss = 100.0 * (1.0 - kept(there) * kept(back));
    if way.is_cut() {
        return vec![number(round, Quantity::Loss, Some(100.0))];
    }
    let jitter = there.link.jitter_ms.hypot(back.link.jitter_ms);
    let mut asked = vec![Asked {
        deviation: jitter,
        ..number(round.clone(), Quantity::RoundTrip, way.round_trip_ms())
    }];
    asked.push(number(round.clone(), Quantity::Jitter, Some(jitter)));
    asked.push(number(round.clone(), Quantity::Loss, Some(round_loss)));
    let turned = Subject::way(&way.to.name, &way.from.name);
    for (subject, class) in [(round, there), (turned, back)] {
        if mode == VerifyMode::Full || round_loss > 0.0 {
            asked.push(number(subject.clone(), Quantity::Reordering, None));
        }
        asked.push(number(subject, Quantity::Rate, Some(class.link.rate_mbit)));
    }
    for one in &mut asked {
        one.provable = provable([there, back], one.quantity);
    }
    asked
}

/// What a measurement can say about a link with such settings.
fn provable(both: [&LinkClass; 2], quantity: Quantity) -> Provable {
    let any = |is: fn(&LinkClass) -> bool| both.into_iter().any(is);
    let is_lossy = |class: &LinkClass| {
        class.link.loss_percent + class.link.corruption_percent + class.link.duplication_percent
            > 0.0
    };
    if any(|class| class.trace.is_some()) {
        return Provable::Not("the link follows a trace: the result says how closely");
    }
    let is_skewed = |class: &LinkClass| {
        class.link.jitter_ms > 0.0 && class.link.jitter_distribution == Distribution::Pareto
    };
    match quantity {
        Quantity::RoundTrip | Quantity::Jitter if any(is_skewed) => Provable::Not(
            "the median of Pareto's delays is not their mean, nor is their spread normal",
        ),
        // TCP slows down where packets are lost, come twice, or overtake each other.
        Quantity::Rate
            if any(is_lossy)
                || any(|c| c.link.jitter_reorders || c.link.reordering_percent > 0.0) =>
        {
            Provable::AtMost
        }
        _ => Provable::Exactly,
    }
}

/// Numbers of nodes. Where limits are not enforced, nothing was asked of them.
pub fn asked_of_nodes(nodes: &[NodePlan], has_limits: bool) -> Vec<Asked> {
    let limit = |value: f64| has_limits.then_some(value);
    let of_node = |node: &NodePlan| {
        let subject = Subject::node(&node.name);
        let mut asked = vec![
            number(subject.clone(), Quantity::Processor, limit(node.quota)),
            number(
                subject.clone(),
                Quantity::Memory,
                limit(node.memory_mib as f64),
            ),
            number(subject.clone(), Quantity::Clock, None),
        ];
        let disk = [
            (Quantity::DiskRead, node.disk_read_mb_s),
            (Quantity::DiskWrite, node.disk_write_mb_s),
        ];
        // Without a limit there is nothing to compare it with, and it costs the host's disk.
        let limited = disk.into_iter().filter(|(_, mb_s)| *mb_s > 0 && has_limits);
        asked.extend(
            limited.map(|(quantity, mb_s)| number(subject.clone(), quantity, Some(mb_s as f64))),
        );
        asked
    };
    nodes.iter().flat_map(of_node).collect()
}

fn number(subject: Subject, quantity: Quantity, value: Option<f64>) -> Asked {
    Asked {
        subject,
        quantity,
        value,
        deviation: 0.0,
        provable: Provable::Exactly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use continuum_config::Config;
    use continuum_model::Prefix;

    fn lab() -> (Config, Vec<NodePlan>) {
        let config = parse(
            r#"infrastructure = { provider = "qemu", infra_only = true, edge = { nodes = 2, cores = 1, memory_mib = 1024, disk_read_mb_s = 20 }, endpoint = { nodes = 3, cores = 1, memory_mib = 512, quota = 0.5 } }
               network.preset = "4g""#,
            "t.toml", false, "t", &[],
        ).unwrap().config;
        let nodes = crate::plan(&config, Prefix::from([10, 0, 0])).nodes;
        (config, nodes)
    }

    fn names(ways: &[Way]) -> Vec<String> {
        let name = |way: &Way| format!("{} {}", way.from.name, way.to.name);
        ways.iter().map(name).collect()
    }

    #[test]
    fn quick_takes_one_way_of_all_that_were_asked_to_be_alike_and_full_takes_all() {
        let (config, nodes) = lab();
        let mut requests = LinkRequests::default();
        let of =
            |requests: &LinkRequests, mode| names(&ways(&nodes, &config.network, requests, mode));
        assert_eq!(
            of(&requests, VerifyMode::Quick),
            ["edge0 edge1", "edge0 endpoint0"]
        );
        // Endpoints have no links with each other.
        assert_eq!(of(&requests, VerifyMode::Full).len(), 1 + 2 * 3);
        // One that was changed is none of the others any more.
        let action = "set edge1 endpoint2 latency_ms=50".parse().unwrap();
        requests.add(action, None, &nodes);
        assert_eq!(
            of(&requests, VerifyMode::Quick),
            ["edge0 edge1", "edge0 endpoint0", "edge1 endpoint2"]
        );
    }

    #[test]
    fn what_is_asked_of_a_way_are_its_links_in_force() {
        let (config, nodes) = lab();
        let mut requests = LinkRequests::default();
        let asked = |requests: &LinkRequests| {
            let ways = ways(&nodes, &config.network, requests, VerifyMode::Quick);
            let asked = asked_of_ways(&ways, VerifyMode::Quick);
            let own = asked
                .into_iter()
                .filter(|a| a.subject.to_string().contains("endpoint0"));
            let text = |a: Asked| {
                let value = a.value.map(|v| format!("{v:.2}")).unwrap_or_default();
                format!("{} {} {value}", a.subject, a.quantity.name())
            };
            own.map(text).collect::<Vec<_>>()
        };
        assert_eq!(
            asked(&requests),
            [
                "edge0 → endpoint0 round trip 15.00",
                "edge0 → endpoint0 jitter 3.54",
                "edge0 → endpoint0 loss 0.00",
                "edge0 → endpoint0 rate 7.21",
                "endpoint0 → edge0 rate 7.21"
            ]
        );
        requests.add("cut edge0 endpoint0".parse().unwrap(), None, &nodes);
        assert_eq!(asked(&requests)[0], "edge0 → endpoint0 loss 100.00");
    }

    #[test]
    fn what_a_measurement_cannot_say_is_known() {
        let (config, nodes) = lab();
        let of = |change: &str, quantity: Quantity| {
            let mut requests = LinkRequests::default();
            let change = format!("set edge0 endpoint0 {change}");
            requests.add(change.parse().unwrap(), None, &nodes);
            let ways = ways(&nodes, &config.network, &requests, VerifyMode::Full);
            let asked = asked_of_ways(&ways, VerifyMode::Full);
            let is = |a: &&Asked| {
                a.quantity == quantity && a.subject == Subject::way("edge0", "endpoint0")
            };
            let one = asked.iter().find(is).unwrap();
            (one.provable, one.value.unwrap_or_default())
        };
        let lossy = of("loss_percent=1", Quantity::Rate);
        assert_eq!(lossy.0, Provable::AtMost);
        let skewed = of("jitter_distribution=pareto", Quantity::Jitter);
        assert!(matches!(skewed.0, Provable::Not(_)), "{skewed:?}");
        let wrong = of("corruption_percent=1", Quantity::Loss);
        assert_eq!(wrong.0, Provable::Exactly);
        assert!((wrong.1 - 1.99).abs() < 1e-6, "{wrong:?}");
        assert_eq!(of("latency_ms=9", Quantity::Rate).0, Provable::Exactly);
    }

    #[test]
    fn only_limits_that_are_enforced_were_asked_for() {
        let (_, nodes) = lab();
        let asked = asked_of_nodes(&nodes, true);
        let of = |quantity| {
            let found = asked.iter().filter(|a| a.quantity == quantity);
            found.filter_map(|a| a.value).collect::<Vec<_>>()
        };
        assert_eq!(of(Quantity::Processor), [1.0, 1.0, 0.5, 0.5, 0.5]);
        assert_eq!(of(Quantity::DiskRead), [20.0, 20.0]);
        assert!(of(Quantity::DiskWrite).is_empty());
        let none = asked_of_nodes(&nodes, false);
        assert!(none.iter().all(|a| a.value.is_none()), "{none:?}");
    }
}
