//! Installing components, and starting brokers. Nodes side by side, components of a node in order.

use crate::{artifacts, session::Session};
use continuum_agents::{Agent, BrokerSpec};
use continuum_host::error::Error;
use continuum_model::{BROKER_PORT, MAX_PAYLOAD_BYTES, NodePlan};
use std::collections::BTreeMap;

pub(super) async fn install(session: &Session) -> Result<(), Error> {
    let nodes = session
        .nodes()
        .map(|(node, agent)| node_software(session, node, &**agent));
    futures_util::future::try_join_all(nodes).await.map(|_| ())
}

async fn node_software(session: &Session, node: &NodePlan, agent: &dyn Agent) -> Result<(), Error> {
    let Session {
        context,
        config,
        plan,
        deployment,
        ..
    } = session;
    let image = deployment.facts().image.as_deref();
    for installation in plan.installations.iter().filter(|i| i.node == node.name) {
        let component = &installation.component;
        let mut artifacts = match &component.extras {
            Some(name) => artifacts::extras(context, image, name)?,
            None => Vec::new(),
        };
        if let Some(name) = component.from_store {
            artifacts.extend(artifacts::all_files(context, name)?);
        }
        let options: BTreeMap<String, String> = component
            .options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect();
        agent
            .install(component.name, options, &artifacts, &|step| {
                context.progress.say(&format!(
                    "{}: {} {} {} {}",
                    node.name, component.name, step.step, step.state, step.detail
                ));
            })
            .await?;
    }
    if plan.brokers.contains(&node.name) {
        agent
            .start_broker(BrokerSpec {
                backend: config.software.broker.to_string(),
                listen: format!("{}:{BROKER_PORT}", node.address),
                max_connections: config.software.max_connections,
                max_payload_bytes: MAX_PAYLOAD_BYTES,
            })
            .await?;
    }
    Ok(())
}
