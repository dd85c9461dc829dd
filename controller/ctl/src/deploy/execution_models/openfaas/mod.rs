//! `openfaas`: functions on Kubernetes. The distribution `builtin` is our own gateway; `upstream` is the real one, for who
//! accepts its terms.

mod builtin;
mod upstream;

use super::Installer;
use crate::{artifacts, error::CommandError, session::Session};
use continuum_agents::ArtifactSource;
use continuum_cluster::{apply, client, with_reasons};
use continuum_common::wait::Wait;
use continuum_config::{Config, ExecutionModelKind, OpenFaasDistribution};
use continuum_host::{error::Error, keys::Secrets};
use continuum_model::{Facts, Role, node_name};
use continuum_openfaas_api::client::Gateway;
use continuum_plan::execution_models::OPENFAAS_IMAGES;
use std::{collections::BTreeMap, time::Duration};

pub use builtin::{FUNCTIONS as FUNCTION_NAMESPACE, objects};
pub use upstream::objects as upstream_objects;

/// A gateway of some megabytes starts within seconds, on emulated guests too; one of another version first finishes its
/// calls, for which it has nearly six minutes.
const START_DEADLINE: Duration = Duration::from_mins(9);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// `openfaas`.
#[derive(Debug)]
pub(super) struct OpenFaas;

fn is_upstream(config: &Config) -> bool {
    config.software.openfaas.distribution == OpenFaasDistribution::Upstream
}

#[async_trait::async_trait]
impl Installer for OpenFaas {
    fn kind(&self) -> ExecutionModelKind {
        ExecutionModelKind::OpenFaas
    }

    fn refusals(&self, config: &Config) -> Vec<String> {
        if !is_upstream(config) {
            return Vec::new();
        }
        let terms = !config.software.openfaas.accept_terms;
        let terms = terms.then(|| upstream::TERMS.to_owned());
        let missing = upstream::missing_archives(&config.software.openfaas.images);
        terms.into_iter().chain(missing).collect()
    }

    async fn install(&self, session: &Session) -> Result<Facts, Error> {
        let controller = session
            .plan
            .controller()
            .ok_or(CommandError::NoController {
                doing: "install openfaas",
            })?;
        let files = artifacts::all_files(&session.context, OPENFAAS_IMAGES)?;
        let (mut images, mut facts) = (BTreeMap::new(), Facts::default());
        for file in files {
            let full = file.image.clone().unwrap_or_default();
            let (reference, digest) = full.split_once('@').unwrap_or((&full, ""));
            let (reference, digest) = (reference.to_owned(), digest.to_owned());
            facts.images.insert(reference, digest);
            images.insert(file.name.clone(), file);
        }
        let own = upstream::Images::read(&session.config.software.openfaas.images)?;
        let mut brought = Vec::new();
        for (node, agent) in session.nodes() {
            let (name, archives) = match node.role {
                Role::Controller => ("gateway.tar", &own.of_controller),
                Role::Worker => ("functions.tar", &own.of_workers),
                Role::Endpoint => continue,
            };
            let ours = images.get(name).into_iter();
            let all: Vec<_> = ours.chain(archives).cloned().collect();
            brought.push(async move {
                artifacts::push_images(&session.context, &**agent, "containerd", &all).await
            });
        }
        futures_util::future::try_join_all(brought).await?;
        let secrets = Secrets::open(&session.deployment)?;
        let password = secrets.gateway_password()?;
        let gateway = images.get("gateway.tar").map(ArtifactSource::reference);
        let objects = if is_upstream(&session.config) {
            upstream::objects(&own.references, controller, &password)
        } else {
            let workers: Vec<_> = session
                .nodes()
                .filter(|(node, _)| node.role == Role::Worker)
                .map(|(node, _)| node_name(&node.name))
                .collect();
            let image = gateway.unwrap_or_default();
            builtin::objects(image, controller, &workers, &password)
        };
        let client = client(&session.deployment, &session.plan)?;
        apply(&client, &objects).await?;
        let address = session.plan.gateway_address().unwrap_or_default();
        let version = wait(session, &client, &address, &password).await?;
        facts.gateway = Some(version);
        Ok(facts)
    }
}

/// Until the gateway says who it is; meanwhile the cluster's words about its pod are the reason.
async fn wait(
    session: &Session,
    client: &kube::Client,
    address: &str,
    password: &str,
) -> Result<String, Error> {
    let gateway = Gateway::new(address, password);
    let mut wait = Wait::new(
        format!("the gateway at {address} to answer"),
        START_DEADLINE,
        LOOK_AGAIN_AFTER,
    );
    let answered = async {
        loop {
            let asked = async {
                gateway.health().await?;
                gateway.info().await
            };
            let why = match asked.await {
                Ok(info) => {
                    let provider = info.provider.provider;
                    return Ok(format!("{provider} {}", info.version.release));
                }
                Err(error) => error,
            };
            session.context.progress.say(&why.plain());
            wait.again(why.to_string()).await?;
        }
    };
    with_reasons(answered.await, client, builtin::NAMESPACE).await
}
