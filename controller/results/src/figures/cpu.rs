//! CPU of each node against its quota.

use super::{
    Drawn, Figure,
    node_lines::{NodeLine, NodeLines},
};
use crate::{chart::DrawError, data_table::NONE, read::RunFiles};
use continuum_model::NodePlan;

#[derive(Debug)]
pub(crate) struct Cpu;

impl Figure for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn title(&self) -> &'static str {
        "CPU by node"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let limit = |plan: &NodePlan| {
            let (cores, percent) = (plan.cores, plan.quota * 100.0);
            format!("{cores} cores, {percent:.0} % of each")
        };
        let lines = run.nodes.iter().map(|node| NodeLine {
            node: &node.node,
            values: &node.cpu_percent,
            limit: run.plan_of(&node.node).map_or_else(|| NONE.into(), limit),
        });
        let mut quotas: Vec<f64> = run.result.plan.nodes.iter().map(|n| n.quota).collect();
        quotas.sort_by(f64::total_cmp);
        quotas.dedup();
        let quotas = quotas.into_iter().filter(|quota| *quota < 1.0);
        NodeLines {
            lines: lines.collect(),
            label: "CPU (% of the node's cores)",
            marks: quotas.map(|q| (q * 100.0, format!("quota {q}"))).collect(),
            at_least: 100.0,
            caption: "Use of all cores of each node together; dashed: a quota, where there is one."
                .into(),
        }
        .draw(run)
    }
}
