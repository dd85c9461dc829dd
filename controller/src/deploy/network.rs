//! Emulated links, on every node.

use crate::{
    agents::{Agent, AppliedLink, GrpcAgent},
    config::Config,
    context::Context,
    error::Error,
    model::Plan,
    plan::links_of,
    provider::Provider,
};

/// Applies the links of all nodes; returns them by node.
pub async fn apply_network(
    context: &Context,
    provider: &dyn Provider,
    config: &Config,
    plan: &Plan,
    agents: &[GrpcAgent],
) -> Result<Vec<(String, Vec<AppliedLink>)>, Error> {
    if !config.network.is_emulated() || !provider.emulates_network() {
        return Ok(Vec::new());
    }
    let nodes = agents
        .iter()
        .zip(&plan.nodes)
        .map(|(agent, node)| async move {
            let classes = links_of(node, &plan.nodes, &config.network);
            let applied = agent.apply_links(&classes).await?;
            context
                .progress
                .say(&format!("{}: {} link classes", node.name, applied.len()));
            Ok::<_, Error>((node.name.clone(), applied))
        });
    futures_util::future::try_join_all(nodes).await
}
