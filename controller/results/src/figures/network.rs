//! What each node sends, against the rates of its links.

use super::{
    Drawn, Figure,
    node_lines::{NodeLine, NodeLines},
};
use crate::{chart::DrawError, data_table::NONE, read::RunFiles};
use continuum_model::LinkClass;

/// Rates that are drawn; more lines across a figure say nothing.
const MOST_RATES: usize = 3;

#[derive(Debug)]
pub(crate) struct Network;

impl Figure for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn title(&self) -> &'static str {
        "Network by node"
    }

    fn draw(&self, run: &RunFiles) -> Result<Option<Drawn>, DrawError> {
        let links_of = |node: &str| -> &[LinkClass] {
            let links = run
                .result
                .plan
                .links
                .iter()
                .find(|links| links.from == node);
            links.map_or(&[], |links| links.to.as_slice())
        };
        let lines = run.nodes.iter().map(|node| {
            let rates = links_of(&node.node).iter();
            let rates: Vec<String> = rates
                .map(|class| format!("{} Mbit/s to {}", class.link.rate_mbit, class.name))
                .collect();
            let limit = if rates.is_empty() {
                NONE.to_owned()
            } else {
                rates.join(", ")
            };
            NodeLine {
                node: &node.node,
                values: &node.sent_mbit,
                limit,
            }
        });
        let most = run.nodes.iter().flat_map(|node| &node.sent_mbit);
        let most = most.map(|(_, mbit)| *mbit).fold(0.0, f64::max);
        let mut rates: Vec<f64> = Vec::new();
        for class in run.result.plan.links.iter().flat_map(|links| &links.to) {
            // Far above what was sent it would press the data to the ground.
            if class.link.rate_mbit < most * 3.0 && !rates.contains(&class.link.rate_mbit) {
                rates.push(class.link.rate_mbit);
            }
        }
        rates.truncate(MOST_RATES);
        NodeLines {
            lines: lines.collect(),
            label: "sent (Mbit/s)",
            marks: rates
                .into_iter()
                .map(|rate| (rate, format!("link {rate} Mbit/s")))
                .collect(),
            at_least: 0.1,
            caption: "Sent by each node, all of its links together; dashed: rates of links that were asked for, as far as they \
                      are near."
                .into(),
        }
        .draw(run)
    }
}
