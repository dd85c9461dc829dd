//! Memory of each node against what it has.

use super::{
    Drawn, Figure,
    node_lines::{NodeLine, NodeLines},
};
use crate::{chart::DrawError, data_table::NONE, read::RunFiles};

#[derive(Debug)]
pub(crate) struct Memory;

impl Figure for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn title(&self) -> &'static str {
        "Memory by node"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let shares: Vec<Vec<(f64, f64)>> = run
            .nodes
            .iter()
            .map(|node| {
                let all = node.memory_total_mib.max(1.0);
                let used = node.memory_used_mib.iter();
                used.map(|(at_s, mib)| (*at_s, mib / all * 100.0)).collect()
            })
            .collect();
        let lines = run.nodes.iter().zip(&shares).map(|(node, values)| {
            let asked = run.plan_of(&node.node);
            let asked = asked.map_or_else(|| NONE.into(), |plan| plan.memory_mib.to_string());
            NodeLine {
                node: &node.node,
                values,
                limit: format!("{:.0} MiB seen, {asked} asked for", node.memory_total_mib),
            }
        });
        NodeLines {
            lines: lines.collect(),
            label: "memory in use (% of the node's)",
            marks: Vec::new(),
            at_least: 100.0,
            caption: "Memory in use, as a share of what the node sees.".into(),
        }
        .draw(run)
    }
}
