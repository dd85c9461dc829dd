//! Installing components, and starting brokers. Nodes side by side, components of a node in order.

use crate::{
    agents::{Agent, ArtifactSource, BrokerSpec, GrpcAgent, InstallStep},
    config::Config,
    error::Error,
    plan::{BROKER_PORT, MAX_PAYLOAD_BYTES, NodePlan, Plan},
    provider::Context,
};
use continuum_images::{apt::deb_path, store};
use std::collections::BTreeMap;

/// Packages kept beside the image for a component.
fn extras(
    context: &Context,
    image: Option<&str>,
    name: &str,
) -> Result<Vec<ArtifactSource>, Error> {
    let (images, _) = store::list(&context.cache)?;
    let image = images
        .iter()
        .find(|i| Some(i.manifest.key.as_str()) == image);
    let lock = image
        .and_then(|i| i.manifest.extras.get(name))
        .ok_or_else(|| {
            Error::other(
                format!("find the packages of {name}"),
                "the image has none beside it; build it again: continuum-ctl image build",
            )
        })?;
    let source = |p: &continuum_images::lock::LockedPackage| ArtifactSource {
        name: p.file_name(),
        sha256: p.sha256.clone(),
        size_bytes: p.size_bytes,
        path: deb_path(&context.cache, p),
        image: None,
    };
    Ok(lock.packages.iter().map(source).collect())
}

/// One step of an installation, as people read it.
pub(super) fn say_step(context: &Context, node: &str, step: &InstallStep) {
    let InstallStep {
        step,
        state,
        detail,
    } = step;
    let line = format!("{node}: {step} {state} {detail}");
    context.progress.say(&line);
}

/// Brings container images to a node's runtime; those that it has cost nothing.
pub async fn bring_images(
    context: &Context,
    agent: &GrpcAgent,
    runtime: &str,
    images: &[ArtifactSource],
) -> Result<(), Error> {
    let options = BTreeMap::from([("runtime".to_owned(), runtime.to_owned())]);
    let say = |step: InstallStep| say_step(context, agent.node(), &step);
    agent
        .install("container-images", options, images, &say)
        .await
}

pub(super) async fn install(
    context: &Context,
    config: &Config,
    plan: &Plan,
    agents: &[GrpcAgent],
    image: Option<String>,
) -> Result<(), Error> {
    let nodes = agents
        .iter()
        .zip(&plan.nodes)
        .map(|(agent, node)| node_software(context, config, plan, agent, node, image.as_deref()));
    futures_util::future::try_join_all(nodes).await.map(|_| ())
}

async fn node_software(
    context: &Context,
    config: &Config,
    plan: &Plan,
    agent: &GrpcAgent,
    node: &NodePlan,
    image: Option<&str>,
) -> Result<(), Error> {
    for installation in plan.installations.iter().filter(|i| i.node == node.name) {
        let component = &installation.component;
        let mut artifacts = match &component.extras {
            Some(name) => extras(context, image, name)?,
            None => Vec::new(),
        };
        if let Some(name) = component.from_store {
            artifacts.extend(super::cluster::all_files(context, name)?);
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
                backend: config.software.broker.clone(),
                listen: format!("{}:{BROKER_PORT}", node.address),
                max_connections: config.software.max_connections,
                max_payload_bytes: MAX_PAYLOAD_BYTES,
            })
            .await?;
    }
    Ok(())
}
