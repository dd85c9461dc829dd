//! Making a cluster: all its nodes at once, each with what it needs from the store; then waiting until they are ready.

use crate::{
    artifacts::{WORKLOAD, artifact, missing_named, reason, say_step, stored},
    error::CommandError,
    session::Session,
};
use continuum_agents::{Agent, ArtifactSource};
use continuum_cluster::{client, unready_now, versions, wait_ready, write_kubeconfig};
use continuum_config::Config;
use continuum_host::{
    context::Context,
    error::Error,
    keys::{self, Secrets},
};
use continuum_images::components::{Catalogue, Stack, Stored};
use continuum_model::{ComponentFile, Facts, NodePlan, Plan};
use continuum_plan::managers::{Cluster, ClusterPart, Secret};
use std::collections::BTreeMap;

/// Of what an edge gets its certificate with, made anew by every `up`: longer than one takes.
const EDGE_TOKEN_LIFETIME: time::Duration = time::Duration::hours(1);
/// How often the API server of a cluster that was made is asked before it counts as gone.
const ASKED: usize = 3;

/// What is wrong with a cluster that was made; `None` = nothing, or there is none.
pub(super) async fn not_ready_reason(session: &Session) -> Option<String> {
    session.cluster()?;
    let Session {
        plan, deployment, ..
    } = session;
    let mut why = String::new();
    for _ in 0..ASKED {
        let asked = async { unready_now(&client(deployment, plan)?, plan).await };
        match asked.await {
            Ok(unready) => {
                let reason = |(node, why)| format!("node {node} is not ready: {why}");
                let all: Vec<String> = unready.into_iter().map(reason).collect();
                return (!all.is_empty()).then(|| all.join("; "));
            }
            Err(error) => why = continuum_host::error::chain(&error),
        }
    }
    Some(why)
}

/// The versions of a cluster that belong together.
fn stack<'a>(
    cluster: &dyn Cluster,
    catalogue: &'a Catalogue,
    config: &Config,
) -> Result<&'a Stack, Error> {
    let stack = cluster.stack(catalogue, config);
    Ok(stack.map_err(CommandError::from)?)
}

/// Why the store cannot serve a cluster; each with what to type.
pub(super) fn missing(context: &Context, config: &Config, cluster: &dyn Cluster) -> Vec<String> {
    let found = || -> Result<Vec<String>, Error> {
        let catalogue = Catalogue::builtin()?;
        let stack = stack(cluster, &catalogue, config)?;
        let mut reasons = Vec::new();
        for name in cluster.components() {
            let component = catalogue.find(name, stack.versions.get(*name).map(String::as_str))?;
            reasons.extend(reason(context, component));
        }
        reasons.sort_unstable();
        reasons.dedup();
        Ok(reasons)
    };
    found().unwrap_or_else(|error| vec![continuum_host::error::chain(&error)])
}

fn artifacts(
    part: &ClusterPart,
    stored: &BTreeMap<&'static str, Stored>,
) -> Result<Vec<ArtifactSource>, Error> {
    let mut all = Vec::new();
    for (component, name) in &part.files {
        let component = stored.get(component).ok_or_else(|| {
            let file = name.clone();
            CommandError::ForeignComponent { file, component }
        })?;
        all.push(artifact(component, name)?);
    }
    Ok(all)
}

/// Why components that a plan needs beside its cluster cannot be had.
pub(super) fn missing_beside(context: &Context, config: &Config, plan: &Plan) -> Vec<String> {
    let mut names: Vec<&str> = plan
        .installations
        .iter()
        .filter_map(|i| i.component.from_store)
        .collect();
    let has_runtime = config.software.runtime().is_some();
    names.extend(Some(WORKLOAD.0).filter(|_| has_runtime && plan.has_application));
    names.sort_unstable();
    names.dedup();
    missing_named(context, &names)
}

/// A node that becomes part of a cluster.
struct Installing<'a> {
    context: &'a Context,
    agent: &'a dyn Agent,
    node: &'a NodePlan,
    secrets: &'a Secrets,
    stored: &'a BTreeMap<&'static str, Stored>,
}

impl Installing<'_> {
    async fn install(&self, part: &ClusterPart) -> Result<(), Error> {
        let plain = part.options.iter();
        let mut options: BTreeMap<String, String> =
            plain.map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        for secret in part.secrets {
            tell(*secret, self.secrets, self.node, &mut options)?;
        }
        let artifacts = artifacts(part, self.stored)?;
        self.agent
            .install(part.component, options, &artifacts, &|step| {
                say_step(self.context, &self.node.name, &step);
            })
            .await
    }
}

/// Adds what only this part of this node may know.
fn tell(
    secret: Secret,
    secrets: &Secrets,
    node: &NodePlan,
    options: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut set = |name: &str, value: String| options.insert(name.to_owned(), value);
    match secret {
        Secret::Join => {
            set("token", secrets.cluster_token()?);
            let hash = keys::public_key_hash(&secrets.cluster_authority()?)?;
            set("ca_hash", hash);
        }
        Secret::Authority => {
            let authority = secrets.cluster_authority()?;
            set("ca_certificate", authority.certificate_pem);
            set("ca_key", authority.key_pem);
        }
        Secret::AuthorityCertificate => {
            set(
                "ca_certificate",
                secrets.cluster_authority()?.certificate_pem,
            );
        }
        Secret::EdgeAuthority => {
            let authority = secrets.edge_authority()?;
            set("edge_ca_key", keys::sec1_key_pem(&authority)?);
            set("edge_ca_certificate", authority.certificate_pem);
            let server = secrets.cloudcore(node.address)?;
            set("cloudcore_certificate", server.certificate_pem);
            set("cloudcore_key", server.key_pem);
            let client = secrets.cloudcore_client()?;
            set("cloudcore_client_certificate", client.certificate_pem);
            set("cloudcore_client_key", client.key_pem);
        }
        Secret::EdgeToken => {
            let authority = secrets.edge_authority()?;
            set(
                "edge_token",
                keys::edge_token(&authority, EDGE_TOKEN_LIFETIME)?,
            );
        }
    }
    Ok(())
}

/// Installs the cluster and waits until all its nodes are ready. Returns what it is made of, by digest, and what its running
/// programs say that they are.
pub(super) async fn install(session: &Session, cluster: &dyn Cluster) -> Result<Facts, Error> {
    let Session {
        context,
        config,
        plan,
        deployment,
        ..
    } = session;
    let catalogue = Catalogue::builtin()?;
    let stack = stack(cluster, &catalogue, config)?;
    let stored: BTreeMap<_, _> = cluster
        .components()
        .iter()
        .map(|name| {
            let version = stack.versions.get(*name).map(String::as_str);
            Ok((*name, stored(context, catalogue.find(name, version)?)?))
        })
        .collect::<Result<_, Error>>()?;
    let secrets = Secrets::open(deployment)?;
    let nodes = session.nodes().map(|(node, agent)| {
        let (stored, secrets) = (&stored, &secrets);
        async move {
            let parts = cluster.parts(node, plan, stack);
            let Some((first, later)) = parts.split_first() else {
                return Ok(());
            };
            let node = Installing {
                context,
                agent: &**agent,
                node,
                secrets,
                stored,
            };
            // What is needed later comes while the node is busy with what is first.
            let bring = async {
                for part in later {
                    let artifacts = artifacts(part, stored)?;
                    let say = |step| say_step(context, agent.node(), &step);
                    agent.push_missing(&artifacts, &say).await?;
                }
                Ok(())
            };
            futures_util::future::try_join(node.install(first), bring).await?;
            for part in later {
                node.install(part).await?;
            }
            Ok::<_, Error>(())
        }
    });
    futures_util::future::try_join_all(nodes).await?;
    let controller = plan.controller();
    let mut facts = Facts::default();
    for component in stored.values() {
        for (file, stored) in &component.files {
            let of = ComponentFile {
                component: component.name.clone(),
                version: component.version.clone(),
                file: file.clone(),
            };
            let digest = format!("sha256:{}", stored.sha256);
            facts.components.insert(of, digest);
        }
    }
    let Some(controller) = controller else {
        return Ok(facts);
    };
    write_kubeconfig(deployment, &secrets, controller)?;
    let client = client(deployment, plan)?;
    wait_ready(context, &client, plan).await?;
    facts.running.extend(versions(&client).await?);
    facts
        .running
        .extend(super::versions::of_etcd(session).await);
    Ok(facts)
}
