//! Making a cluster: all its nodes at once, each with what it needs from the store; then waiting until they are ready.

use crate::{
    agents::{Agent, ArtifactSource, GrpcAgent},
    cluster::{client, wait_ready, write_kubeconfig},
    config::Config,
    error::Error,
    keys,
    managers::{Cluster, ClusterPart},
    plan::{Plan, Role},
    provider::{Context, Secrets},
    state::Deployment,
};
use continuum_images::{
    components::{self, Catalogue, Stack, Stored},
    oci,
};
use std::collections::BTreeMap;

/// Why the store cannot serve a cluster; each with what to type.
pub(super) fn missing(context: &Context, config: &Config, cluster: &dyn Cluster) -> Vec<String> {
    let found = || -> Result<Vec<String>, Error> {
        let catalogue = Catalogue::builtin()?;
        let stack = cluster.stack(&catalogue, config)?;
        let mut reasons = Vec::new();
        for name in cluster.components() {
            let component = catalogue.find(name, stack.versions.get(*name).map(String::as_str))?;
            if components::find(&context.cache, component)?.is_none() {
                reasons.push(format!(
                    "{} is not in the store; get it: continuum-ctl artifact build {name}",
                    component.title()
                ));
            }
        }
        Ok(reasons)
    };
    found().unwrap_or_else(|error| vec![crate::error::chain(&error)])
}

/// A component from the store, verified before it goes anywhere.
fn stored(
    context: &Context,
    name: &str,
    catalogue: &Catalogue,
    stack: &Stack,
) -> Result<Stored, Error> {
    let component = catalogue.find(name, stack.versions.get(name).map(String::as_str))?;
    let stored = components::find(&context.cache, component)?.ok_or_else(|| {
        Error::other(
            format!("find {}", component.title()),
            format!("it is not in the store; continuum-ctl artifact build {name}"),
        )
    })?;
    stored.verify()?;
    Ok(stored)
}

fn artifact(stored: &Stored, name: &str) -> Result<ArtifactSource, Error> {
    let (path, file) = stored.file(name)?;
    let image = name
        .ends_with(".tar")
        .then(|| oci::describe(&path))
        .transpose()?
        .map(|image| image.to_string());
    Ok(ArtifactSource {
        name: name.to_owned(),
        sha256: file.sha256.clone(),
        size_bytes: file.size_bytes,
        path,
        image,
    })
}

fn artifacts(
    part: &ClusterPart,
    stored: &BTreeMap<&'static str, Stored>,
) -> Result<Vec<ArtifactSource>, Error> {
    let mut all = Vec::new();
    for (component, name) in &part.files {
        let component = stored.get(component).ok_or_else(|| {
            Error::other(
                format!("find {name}"),
                format!("{component} is not of this cluster"),
            )
        })?;
        all.push(artifact(component, name)?);
    }
    Ok(all)
}

/// The image of our applications, verified.
pub fn workload_image(
    context: &Context,
    config: &Config,
    cluster: &dyn Cluster,
) -> Result<ArtifactSource, Error> {
    let catalogue = Catalogue::builtin()?;
    let stack = cluster.stack(&catalogue, config)?;
    let (name, image) = cluster.workload();
    let stored = stored(context, name, &catalogue, stack)?;
    artifact(&stored, &format!("{image}.tar"))
}

/// Installs the cluster and waits until all its nodes are ready.
pub(super) async fn install(
    context: &Context,
    config: &Config,
    plan: &Plan,
    deployment: &Deployment,
    agents: &[GrpcAgent],
    cluster: &dyn Cluster,
) -> Result<(), Error> {
    let catalogue = Catalogue::builtin()?;
    let stack = cluster.stack(&catalogue, config)?;
    let stored: BTreeMap<_, _> = cluster
        .components()
        .iter()
        .map(|name| Ok((*name, stored(context, name, &catalogue, stack)?)))
        .collect::<Result<_, Error>>()?;
    let secrets = Secrets::open(deployment)?;
    let authority = secrets.cluster_authority()?;
    let secret_options = [
        ("token", secrets.cluster_token()?),
        ("ca_hash", keys::public_key_hash(&authority)?),
    ];
    let parts = agents
        .iter()
        .zip(&plan.nodes)
        .filter_map(|(agent, node)| Some((agent, node, cluster.part(node, plan, stack)?)))
        .map(|(agent, node, part)| {
            let (stored, authority, secret_options) = (&stored, &authority, &secret_options);
            async move {
                // Endpoints are beside the cluster, not of it.
                let secrets = secret_options
                    .iter()
                    .filter(|_| node.role != Role::Endpoint);
                let mut options: BTreeMap<String, String> = part
                    .options
                    .iter()
                    .chain(secrets.map(|(k, v)| (k, v)))
                    .map(|(k, v)| ((*k).to_owned(), v.clone()))
                    .collect();
                if node.role == Role::Controller {
                    options.insert("ca_certificate".into(), authority.certificate_pem.clone());
                    options.insert("ca_key".into(), authority.key_pem.clone());
                }
                let artifacts = artifacts(&part, stored)?;
                agent
                    .install(part.component, options, &artifacts, &|step| {
                        context.progress.say(&format!(
                            "{}: {} {} {}",
                            node.name, step.step, step.state, step.detail
                        ));
                    })
                    .await
            }
        });
    futures_util::future::try_join_all(parts).await?;
    let controller = plan.nodes.iter().find(|n| n.role == Role::Controller);
    let Some(controller) = controller else {
        return Ok(());
    };
    write_kubeconfig(deployment, &secrets, controller)?;
    wait_ready(context, &client(deployment, plan)?, plan).await
}
