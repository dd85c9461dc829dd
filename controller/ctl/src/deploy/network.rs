//! Emulated links, on every node.
//!
//! A packet needs some time for its way without any emulated delay: timers fire late, the host's bridge and the peer's
//! kernel take theirs; on an idle host that sleeps it is some tenths of a millisecond each way. So the links are applied
//! twice: plain first, to measure by how much a round trip exceeds what was asked, then with that taken off the delays.

use continuum_agents::{Agent, GrpcAgent, ProbeResult};
use continuum_config::Config;
use continuum_host::{context::Context, error::Error};
use continuum_model::{LinkClass, NodePlan, Plan, Tier};
use continuum_plan::links_of;
use continuum_provider::Provider;
use std::{collections::BTreeMap, time::Duration};

/// Round trips that the median is taken of.
const PROBES: u32 = 24;
/// Long enough for the host's processors to go to sleep between two probes, as they do between photos.
const PROBE_INTERVAL: Duration = Duration::from_millis(15);
/// More than this is not what a way takes, but a host that is busy.
const MOST_MS: f64 = 2.0;

/// Two nodes whose round trip stands for all nodes of their tiers.
struct Pair<'a> {
    from: usize,
    to: &'a NodePlan,
    tiers: [Tier; 2],
    asked_ms: f64,
}

/// Applies the links of all nodes; returns facts for results: what was taken off the delays of each tier's nodes.
pub async fn apply_network(
    context: &Context,
    provider: &dyn Provider,
    config: &Config,
    plan: &Plan,
    agents: &[GrpcAgent],
) -> Result<Vec<(String, String)>, Error> {
    if !config.network.is_emulated() || !provider.capabilities().emulates_network {
        return Ok(Vec::new());
    }
    let mut overheads: BTreeMap<Tier, f64> = BTreeMap::new();
    let pairs = pairs(config, plan);
    if !pairs.is_empty() {
        let plain = |class: LinkClass| LinkClass {
            jitter_ms: 0.0,
            ..class
        };
        apply(config, plan, agents, &overheads, &plain).await?;
        let mut measured: BTreeMap<Tier, Vec<f64>> = BTreeMap::new();
        for pair in &pairs {
            let Some(agent) = agents.get(pair.from) else {
                continue;
            };
            let probed = agent
                .probe(&pair.to.address.to_string(), PROBES, PROBE_INTERVAL)
                .await?;
            if let Some(each_way) = each_way_ms(&probed, pair.asked_ms) {
                for tier in pair.tiers {
                    measured.entry(tier).or_default().push(each_way);
                }
            }
        }
        let mean = |all: &Vec<f64>| all.iter().sum::<f64>() / all.len() as f64;
        overheads = measured.iter().map(|(t, all)| (*t, mean(all))).collect();
    }
    apply(config, plan, agents, &overheads, &|class| class).await?;
    let mut facts = Vec::new();
    for (tier, ms) in &overheads {
        let tier = tier.name();
        context.progress.say(&format!(
            "{tier}: {ms:.2} ms of each way are this host's own, and taken off the delay"
        ));
        facts.push((format!("link_overhead_ms.{tier}"), format!("{ms:.3}")));
    }
    Ok(facts)
}

async fn apply(
    config: &Config,
    plan: &Plan,
    agents: &[GrpcAgent],
    overheads: &BTreeMap<Tier, f64>,
    change: &(dyn Fn(LinkClass) -> LinkClass + Sync),
) -> Result<(), Error> {
    let nodes = agents
        .iter()
        .zip(&plan.nodes)
        .map(|(agent, node)| async move {
            let classes = links_of(node, &plan.nodes, &config.network);
            let classes: Vec<LinkClass> = classes.into_iter().map(change).collect();
            let overhead_ms = overheads.get(&node.tier).copied().unwrap_or(0.0);
            agent.apply_links(&classes, Some(overhead_ms)).await
        });
    futures_util::future::try_join_all(nodes).await.map(|_| ())
}

/// One for each two tiers with a delay between them.
fn pairs<'a>(config: &Config, plan: &'a Plan) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for (index, first) in Tier::ALL.into_iter().enumerate() {
        for second in Tier::ALL.into_iter().skip(index) {
            let Some(from) = plan.nodes.iter().position(|n| n.tier == first) else {
                continue;
            };
            let to = plan.nodes.iter().enumerate();
            let Some((_, to)) = to.into_iter().find(|(i, n)| *i != from && n.tier == second) else {
                continue;
            };
            let one_way = |a, b| config.network.link(a, b).map(|link| link.latency_ms);
            let (Some(there), Some(back)) = (one_way(first, second), one_way(second, first)) else {
                continue;
            };
            if there > 0.0 && back > 0.0 {
                pairs.push(Pair {
                    from,
                    to,
                    tiers: [first, second],
                    asked_ms: there + back,
                });
            }
        }
    }
    pairs
}

/// What a way takes by itself: half of what the median round trip is longer than asked. `None` where nothing came back,
/// or where it says more about what else the host does.
fn each_way_ms(probed: &ProbeResult, asked_ms: f64) -> Option<f64> {
    let mut rtt_ms = probed.rtt_ms.clone();
    rtt_ms.sort_by(f64::total_cmp);
    let median = *rtt_ms.get(rtt_ms.len() / 2)?;
    let each_way = ((median - asked_ms) / 2.0).max(0.0);
    (each_way <= MOST_MS).then_some(each_way)
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
        assert_eq!(each_way_ms(&probed(&[14.9]), 15.0), Some(0.0));
    }

    #[test]
    fn a_busy_host_and_a_dead_peer_say_nothing_about_the_way() {
        assert_eq!(each_way_ms(&probed(&[25.0, 26.0, 27.0]), 15.0), None);
        assert_eq!(each_way_ms(&probed(&[]), 15.0), None);
    }

    #[test]
    fn each_two_tiers_with_a_delay_are_measured_once() {
        let config = parse(
            r#"infrastructure = { provider = "qemu", infra_only = true, cloud = { nodes = 1, cores = 1, memory_mib = 1024 }, edge = { nodes = 2, cores = 1, memory_mib = 1024 }, endpoint = { nodes = 2, cores = 1, memory_mib = 512 } }
               network.preset = "4g""#,
            "t.toml", false, "t", &[],
        ).unwrap().config;
        let plan = continuum_plan::plan(&config, Prefix([10, 0, 0]));
        let seen: Vec<String> = pairs(&config, &plan)
            .iter()
            .map(|p| format!("{} {} {}", plan.nodes[p.from].name, p.to.name, p.asked_ms))
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
