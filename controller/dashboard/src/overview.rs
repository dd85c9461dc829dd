//! What is known of each node at one moment, for who shows no plots.

use crate::{feed::Feed, history::NodeHistory, view::NodeView};
use continuum_model::Tier;

#[derive(Debug, Clone, PartialEq)]
pub struct NodeOverview {
    pub name: String,
    pub tier: Tier,
    pub cores: u32,
    /// CPU of the last seconds, of all cores together, 0 to 100; the newest is last.
    pub cpu_percent: Vec<f32>,
    pub memory_used_bytes: u64,
    pub memory_total_bytes: u64,
    /// Bits per second between the last two samples; `None` = there are not two.
    pub received_bit_s: Option<f64>,
    pub sent_bit_s: Option<f64>,
    /// Why its agent is not heard; `None` = it is.
    pub silent: Option<String>,
}

impl Feed {
    /// Every node, in the order of the plan, with so many seconds of its CPU.
    pub fn overview(&self, seconds: usize) -> Vec<NodeOverview> {
        let nodes = self.nodes();
        let plan = self.topology().nodes.iter();
        plan.filter_map(|node| Some(overview(node, nodes.get(&node.name)?, seconds)))
            .collect()
    }
}

fn overview(node: &NodeView, history: &NodeHistory, seconds: usize) -> NodeOverview {
    let mut newest = history.points.iter().rev();
    let (last, before) = (newest.next(), newest.next());
    let rate = |bytes: fn(&crate::history::Point) -> u64| {
        let (last, before) = (last?, before?);
        let seconds = (last.0 - before.0) as f64 / 1e3;
        // A node that was started again counts from 0.
        let bytes = bytes(last).checked_sub(bytes(before))?;
        (seconds > 0.0).then(|| bytes as f64 * 8.0 / seconds)
    };
    let kept = history.points.len();
    let cpu = history.points.iter().skip(kept.saturating_sub(seconds));
    NodeOverview {
        name: node.name.clone(),
        tier: node.tier,
        cores: node.cores,
        cpu_percent: cpu.map(|point| point.1).collect(),
        memory_used_bytes: last.map_or(0, |point| point.2),
        memory_total_bytes: last.map_or(0, |point| point.7[3]),
        received_bit_s: rate(|point| point.3),
        sent_bit_s: rate(|point| point.4),
        silent: match last {
            None if history.silent.is_none() => Some("nothing was heard yet".into()),
            _ => history.silent.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::{MetricsBatch, MetricsSample};

    #[test]
    fn rates_are_of_the_last_two_samples() {
        let mut history = NodeHistory::default();
        for (second, bytes) in [(1, 0), (2, 125), (4, 375)] {
            history.take(MetricsBatch {
                samples: vec![MetricsSample {
                    time_unix_ns: continuum_model::NodeTime::from_unix_s(second),
                    cpu_percent: second as f64,
                    network_received_bytes: bytes,
                    ..MetricsSample::default()
                }],
                ..MetricsBatch::default()
            });
        }
        let node = NodeView {
            name: "edge0".into(),
            tier: Tier::Edge,
            address: String::new(),
            cores: 1,
            quota: 1.0,
            memory_mib: 1,
            has_broker: false,
        };
        let seen = overview(&node, &history, 2);
        assert_eq!(seen.received_bit_s, Some(1000.0));
        assert_eq!(seen.cpu_percent, [2.0, 4.0]);
        assert_eq!(seen.silent, None);
        let unheard = overview(&node, &NodeHistory::default(), 2);
        assert_eq!(unheard.silent.as_deref(), Some("nothing was heard yet"));
    }
}
