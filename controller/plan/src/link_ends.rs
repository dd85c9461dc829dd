//! Places that a link may be changed between: tiers with nodes, and nodes.

use continuum_config::{Network, nearest};
use continuum_model::{NodePlan, Tier};

fn at<'a>(nodes: &'a [NodePlan], place: &str) -> impl Iterator<Item = &'a NodePlan> {
    nodes.iter().filter(move |node| node.is_at(place))
}

/// What there is instead of a name, and which of it may have been meant.
fn instead(name: &str, known: &[&str]) -> String {
    let near = nearest(name, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("there are: {}{near}", known.join(", "))
}

/// Fails with what may stand there when no node is at a place, or no link between two.
pub fn check_places(nodes: &[NodePlan], network: &Network, a: &str, b: &str) -> Result<(), String> {
    for place in [a, b] {
        if at(nodes, place).next().is_none() {
            let tiers = Tier::ALL.iter().map(|tier| tier.name());
            let tiers = tiers.filter(|tier| at(nodes, tier).next().is_some());
            let all: Vec<&str> = tiers.chain(nodes.iter().map(|n| &*n.name)).collect();
            let instead = instead(place, &all);
            return Err(format!("there is no `{place}`; {instead}"));
        }
    }
    let has_link = at(nodes, a)
        .any(|x| at(nodes, b).any(|y| x.slot != y.slot && network.link(x.tier, y.tier).is_some()));
    if has_link {
        return Ok(());
    }
    Err(
        "there is none: no two nodes of theirs have an emulated link (network.preset, or a table such as network.edge_endpoint, gives them)"
            .to_owned(),
    )
}

/// The node of a name, or what there is instead.
pub(super) fn node<'a>(nodes: &'a [NodePlan], name: &str) -> Result<&'a NodePlan, String> {
    nodes.iter().find(|n| n.name == name).ok_or_else(|| {
        let all: Vec<&str> = nodes.iter().map(|n| &*n.name).collect();
        format!("there is no node `{name}`; {}", instead(name, &all))
    })
}
