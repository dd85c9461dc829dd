//! Emulated links, on every node.
//!
//! A packet needs some time for its way without any emulated delay: timers fire late, the host's bridge and the peer's
//! kernel take theirs; on an idle host that sleeps it is some tenths of a millisecond each way. So the links are applied
//! twice: plain first, to measure by how much a round trip exceeds what was asked, then with that taken off the delays.

use crate::session::Session;
use continuum_agents::ProbeResult;
use continuum_config::Config;
use continuum_host::{
    error::{Error, chain},
    state::Deployment,
};
use continuum_model::{Facts, Link, LinkClass, NodePlan, Plan, Tier};
use continuum_plan::links_of;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Round trips that the median is taken of.
const PROBES: u32 = 32;
/// By how much the median is longer than the lower quartile on a host that is idle. A cluster that has just come up keeps
/// the host busy: half of the round trips may be longer than they will be, and a link would be set too short.
const IDLE_SPREAD_MS: f64 = 0.15;
/// Long enough for the host's processors to go to sleep between two probes, as they do between photos.
const PROBE_INTERVAL: Duration = Duration::from_millis(15);
/// More than this is not what a way takes, but a host that is busy.
const MOST_MS: f64 = 2.0;

/// Two nodes whose round trip stands for all nodes of their tiers.
struct Pair<'a> {
    from: &'a NodePlan,
    to: &'a NodePlan,
    asked_ms: f64,
}

/// Milliseconds of a way that are the host's own, by tier.
type Overheads = BTreeMap<Tier, f64>;

/// Applies the links of all nodes; returns what was taken off the delays of each tier's nodes.
pub(super) async fn apply_network(session: &Session) -> Result<Facts, Error> {
    let Session {
        config,
        plan,
        provider,
        ..
    } = session;
    if !config.network.is_emulated() || !provider.capabilities().emulates_network {
        return Ok(Facts::default());
    }
    let mut overheads = Overheads::new();
    let pairs = pairs(config, plan);
    if !pairs.is_empty() {
        // Without what would scatter the probes, thin them out, or make them wait for each other.
        let plain = |_: Tier, class: LinkClass| LinkClass {
            link: Link {
                latency_ms: class.link.latency_ms,
                rate_mbit: class.link.rate_mbit.max(1.0),
                ..Link::PLAIN
            },
            trace: None,
            ..class
        };
        apply(session, &plain).await?;
        overheads = measure(session, &pairs).await;
    }
    let overhead_ms = |tier: Tier| overheads.get(&tier).copied().unwrap_or(0.0);
    let corrected = |tier: Tier, class: LinkClass| LinkClass {
        overhead_ms: overhead_ms(tier),
        ..class
    };
    apply(session, &corrected).await?;
    let tiers = plan.nodes.iter().map(|node| node.tier);
    Ok(Facts {
        link_overhead_ms: tiers.map(|tier| (tier, overhead_ms(tier))).collect(),
        ..Facts::default()
    })
}

/// What `up` measured of a tier's ways.
pub(super) fn measured_overhead_ms(deployment: &Deployment, tier: Tier) -> f64 {
    let measured = deployment.facts().link_overhead_ms.get(&tier);
    measured.copied().unwrap_or(0.0)
}

async fn apply(
    session: &Session,
    change: &(dyn Fn(Tier, LinkClass) -> LinkClass + Sync),
) -> Result<(), Error> {
    let (all, network) = (&session.plan.nodes, &session.config.network);
    let nodes = session.nodes().map(|(node, agent)| async move {
        let classes = links_of(node, all, network).into_iter();
        let classes: Vec<LinkClass> = classes.map(|class| change(node.tier, class)).collect();
        agent.apply_links(&classes, network.mtu_bytes).await
    });
    futures_util::future::try_join_all(nodes).await.map(|_| ())
}

/// The mean over the pairs that a tier is part of. What cannot be measured is said, and stops nothing: links are then as
/// long as they are without a correction.
async fn measure(session: &Session, pairs: &[Pair<'_>]) -> Overheads {
    let progress = &session.context.progress;
    let mut all: BTreeMap<Tier, Vec<f64>> = BTreeMap::new();
    for Pair { from, to, asked_ms } in pairs {
        let address = to.address.to_string();
        let probed = match session.agent(&from.name) {
            Ok(agent) => agent.probe(&address, PROBES, PROBE_INTERVAL).await,
            Err(error) => Err(error),
        };
        let each_way = match &probed {
            Ok(probed) => each_way_ms(probed, *asked_ms),
            Err(error) => Err(chain(error)),
        };
        match each_way {
            Ok(ms) => {
                for tier in BTreeSet::from([from.tier, to.tier]) {
                    all.entry(tier).or_default().push(ms);
                }
            }
            Err(why) => progress.line(&format!(
                "between {} and {} nothing is taken off the delay: {why}",
                from.name, to.name
            )),
        }
    }
    let overheads: Overheads = all
        .into_iter()
        .map(|(tier, ms)| (tier, ms.iter().sum::<f64>() / ms.len() as f64))
        .collect();
    for (tier, ms) in &overheads {
        progress.say(&format!(
            "{}: {ms:.2} ms of each way are this host's own, and taken off the delay",
            tier.name()
        ));
    }
    overheads
}

/// One for each two tiers with a delay between them.
fn pairs<'a>(config: &Config, plan: &'a Plan) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for (index, first) in Tier::ALL.into_iter().enumerate() {
        for second in Tier::ALL.into_iter().skip(index) {
            let mut nodes = plan.nodes.iter();
            let Some(from) = nodes.find(|node| node.tier == first) else {
                continue;
            };
            let is_other = |node: &&NodePlan| node.tier == second && node.slot != from.slot;
            let Some(to) = plan.nodes.iter().find(is_other) else {
                continue;
            };
            let way = |from, to| config.network.between(from, to);
            if let (Some(there), Some(back)) = (way(from, to), way(to, from))
                // A way without a delay has nothing that could be taken off.
                && there.link.latency_ms.min(back.link.latency_ms) > 0.0
            {
                pairs.push(Pair {
                    from,
                    to,
                    // Both ends shape what they send.
                    asked_ms: there.link.latency_ms + back.link.latency_ms,
                });
            }
        }
    }
    pairs
}

/// What a way takes by itself: half of what the median round trip is longer than asked. Else why it is not known.
fn each_way_ms(probed: &ProbeResult, asked_ms: f64) -> Result<f64, String> {
    let mut rtt_ms = probed.rtt_ms.clone();
    rtt_ms.sort_by(f64::total_cmp);
    let at = |part: usize| rtt_ms.get(rtt_ms.len() / part).copied();
    let (Some(median), Some(quartile)) = (at(2), at(4)) else {
        return Err(format!("none of {} probes was answered", probed.sent));
    };
    let typical = median.min(quartile + IDLE_SPREAD_MS);
    let each_way = ((typical - asked_ms) / 2.0).max(0.0);
    if each_way > MOST_MS {
        return Err(format!(
            "a round trip took {typical:.1} ms instead of {asked_ms:.1}, so this host is busy"
        ));
    }
    Ok(each_way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;
    use continuum_plan::parse;

    fn probed(rtt_ms: &[f64]) -> ProbeResult {
        ProbeResult {
            rtt_ms: rtt_ms.to_vec(),
            sent: 24,
            lost: 24 - rtt_ms.len() as u32,
        }
    }

    #[test]
    fn a_way_takes_half_of_what_a_round_trip_is_too_long() {
        let each_way = each_way_ms(&probed(&[15.9, 15.8, 40.0]), 15.0).unwrap();
        assert!((each_way - 0.45).abs() < 1e-9, "{each_way}");
        // A host that is busy half of the time.
        let each_way = each_way_ms(&probed(&[15.9, 15.8, 40.0, 40.0]), 15.0).unwrap();
        assert!((each_way - 0.525).abs() < 1e-9, "{each_way}");
        assert_eq!(each_way_ms(&probed(&[14.9]), 15.0), Ok(0.0));
    }

    #[test]
    fn a_busy_host_and_a_dead_peer_say_nothing_about_the_way() {
        let busy = each_way_ms(&probed(&[25.0, 26.0, 27.0]), 15.0).unwrap_err();
        assert!(busy.contains("25.1 ms instead of 15.0"), "{busy}");
        let dead = each_way_ms(&probed(&[]), 15.0).unwrap_err();
        assert!(dead.contains("none of 24"), "{dead}");
    }

    #[test]
    fn each_two_tiers_with_a_delay_are_measured_once() {
        let config = parse(
            r#"infrastructure = { provider = "qemu", infra_only = true, cloud = { nodes = 1, cores = 1, memory_mib = 1024 }, edge = { nodes = 2, cores = 1, memory_mib = 1024 }, endpoint = { nodes = 2, cores = 1, memory_mib = 512 } }
               network.preset = "4g""#,
            "t.toml", false, "t", &[],
        ).unwrap().config;
        let plan = continuum_plan::plan(&config, Prefix::from([10, 0, 0]));
        let seen: Vec<String> = pairs(&config, &plan)
            .iter()
            .map(|p| format!("{} {} {}", p.from.name, p.to.name, p.asked_ms))
            .collect();
        assert_eq!(
            seen,
            [
                "cloud0 edge0 15",
                "cloud0 endpoint0 90",
                "edge0 edge1 15",
                "edge0 endpoint0 15"
            ]
        );
    }
}
