//! Functions of a bench: deployed before anything is measured, watched while they are called.

mod retry;
mod sampler;

use retry::with_retry;
pub(super) use sampler::{FunctionSampler, FunctionSamples};

use crate::{artifacts, deploy::execution_models::FUNCTION_NAMESPACE, session::Session};
use continuum_agents::ArtifactSource;
use continuum_cluster::{ask, client, with_reasons};
use continuum_common::wait::Wait;
use continuum_config::{Benchmark, FunctionLoad};
use continuum_host::{error::Error, keys::Secrets};
use continuum_model::Role;
use continuum_openfaas_api::{
    FunctionDeployment, FunctionResources, FunctionStatus, client::Gateway,
};
use continuum_plan::{
    applications::{self, IMAGE_FUNCTION},
    execution_models::OPENFAAS_IMAGES,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use std::{collections::BTreeMap, time::Duration};

/// An emulated guest loads libtorch for half a minute.
const READY_DEADLINE: Duration = Duration::from_mins(8);
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Label of functions that a bench deployed, and that the next one may remove.
const OF_BENCH: &str = "continuum.dev/bench";
/// Largest requests, as upstream has them.
const MOST_MEMORY_MIB: u64 = 1000;
const MOST_CORES: f64 = 1.0;

/// What is asked of the gateway for a function.
fn wanted(
    name: &str,
    benchmark: &Benchmark,
    suite_image: &str,
    workload: &str,
) -> FunctionDeployment {
    let spec = benchmark.function();
    let cores = benchmark.worker_cores.min(MOST_CORES);
    let resources = FunctionResources {
        memory: Some(format!(
            "{}Mi",
            benchmark.worker_memory_mib.min(MOST_MEMORY_MIB)
        )),
        cpu: Some(format!("{}m", (cores * 1000.0).round().max(1.0))),
    };
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    let mut process = None;
    set("exec_timeout", "290s".into());
    // A replica that is taken away finishes its calls.
    set("write_timeout", "290s".into());
    if name == IMAGE_FUNCTION {
        set("CPU_THREADS", (cores.floor().max(1.0)).to_string());
        if spec.per_request {
            set("load_per_request", "true".into());
        }
    } else if spec.per_request {
        process = Some(format!("continuum-function run {name}"));
    } else {
        set("mode", "http".into());
        process = Some(format!("continuum-function serve {name}"));
    }
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    labels.insert(OF_BENCH.into(), "true".into());
    let mut label =
        |what: &str, value: String| labels.insert(format!("com.openfaas.scale.{what}"), value);
    label("min", spec.min_replicas.to_string());
    label("max", spec.max_replicas.to_string());
    if spec.zero_after_s > 0.0 {
        label("zero", "true".into());
        label(
            "zero-duration",
            format!("{}ms", (spec.zero_after_s * 1000.0).round()),
        );
    }
    let image = if name == IMAGE_FUNCTION {
        workload
    } else {
        suite_image
    };
    FunctionDeployment {
        service: name.to_owned(),
        image: image.to_owned(),
        env_process: process,
        env_vars: Some(env),
        labels: Some(labels),
        // What a replica may use is what it is promised, so that results do not depend on neighbours.
        limits: Some(resources.clone()),
        requests: Some(resources),
        ..FunctionDeployment::default()
    }
}

/// The gateway of a session's deployment.
fn gateway(session: &Session) -> Result<Gateway, Error> {
    let address = session.plan.gateway_address().unwrap_or_default();
    let password = Secrets::open(&session.deployment)?.gateway_password()?;
    Ok(Gateway::new(&address, &password))
}

/// Deploys what will be called, and waits until each has the replicas it should have.
pub(super) async fn deploy(session: &Session, benchmark: &Benchmark) -> Result<(), Error> {
    let (progress, cancel) = (&*session.context.progress, &session.context.cancel);
    let loads = applications::of(benchmark).function_loads();
    let workload = artifacts::workload_image(&session.context)?;
    if loads.iter().any(|l| l.name == IMAGE_FUNCTION) {
        let workers = session.nodes().filter(|(n, _)| n.role == Role::Worker);
        let brought = workers.map(|(_, agent)| {
            let image = std::slice::from_ref(&workload);
            artifacts::push_images(&session.context, &**agent, "containerd", image)
        });
        futures_util::future::try_join_all(brought).await?;
    }
    let suite = artifacts::all_files(&session.context, OPENFAAS_IMAGES)?;
    let suite = suite
        .iter()
        .find(|f| f.name == "functions.tar")
        .map(ArtifactSource::reference);
    let gateway = gateway(session)?;
    remove_others(session, &gateway, &loads).await?;
    for load in &loads {
        let wanted = wanted(
            &load.name,
            benchmark,
            suite.unwrap_or_default(),
            workload.reference(),
        );
        let doing = format!("deploy function {}", load.name);
        with_retry(&doing, progress, cancel, || gateway.deploy(&wanted)).await?;
    }
    let least = benchmark.function().min_replicas;
    let client = client(&session.deployment, &session.plan)?;
    for load in &loads {
        // One of an earlier bench may have been idle for so long that it has none.
        let doing = format!("scale function {}", load.name);
        let status = with_retry(&doing, progress, cancel, || gateway.status(&load.name)).await?;
        if status.replicas < u64::from(least) {
            let scale = || gateway.scale(&load.name, least.into());
            with_retry(&doing, progress, cancel, scale).await?;
        }
        wait_ready(session, &gateway, &client, &load.name, least).await?;
    }
    Ok(())
}

/// Functions of an earlier bench that this one does not call would take room and time from those it does. What users
/// deployed stays.
async fn remove_others(
    session: &Session,
    gateway: &Gateway,
    loads: &[FunctionLoad],
) -> Result<(), Error> {
    let (progress, cancel) = (&*session.context.progress, &session.context.cancel);
    let all = with_retry("list functions", progress, cancel, || gateway.list()).await?;
    for name in others(&all, loads) {
        let say = format!("function {name} of an earlier bench is removed");
        session.context.progress.say(&say);
        let remove = || async {
            match gateway.remove(name).await {
                // An answer got lost, and this is the second time of asking.
                Err(error) if error.status() == Some(http::StatusCode::NOT_FOUND) => Ok(()),
                other => other,
            }
        };
        with_retry(&format!("remove function {name}"), progress, cancel, remove).await?;
    }
    Ok(())
}

fn others<'a>(all: &'a [FunctionStatus], loads: &[FunctionLoad]) -> Vec<&'a str> {
    let is_other = |f: &&FunctionStatus| {
        let labels = f.labels.as_ref();
        labels.is_some_and(|l| l.contains_key(OF_BENCH)) && loads.iter().all(|l| l.name != f.name)
    };
    all.iter().filter(is_other).map(|f| &*f.name).collect()
}

/// Whether every replica is of what was asked for last.
fn is_rolled_out(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else {
        return false;
    };
    status.observed_generation == deployment.metadata.generation
        && status.updated_replicas == status.replicas
        && status.available_replicas == status.replicas
}

async fn wait_ready(
    session: &Session,
    gateway: &Gateway,
    client: &kube::Client,
    name: &str,
    replicas: u32,
) -> Result<(), Error> {
    let mut wait = Wait::new(
        format!("function {name} to be ready"),
        READY_DEADLINE,
        LOOK_AGAIN_AFTER,
    );
    let mut said = String::new();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), FUNCTION_NAMESPACE);
    let ready = async {
        loop {
            let why = match gateway.status(name).await {
                Ok(status) if status.available_replicas >= u64::from(replicas) => {
                    let doing = format!("look at function {name}");
                    if is_rolled_out(&ask(&doing, || deployments.get(name)).await?) {
                        return Ok(());
                    }
                    "replicas of what it was before are still there".to_owned()
                }
                Ok(status) => format!(
                    "{} of {} replicas are ready",
                    status.available_replicas, status.replicas
                ),
                Err(error) => error.plain(),
            };
            // Once is enough until it is something else.
            if said != why {
                let line = format!("function {name}: {why}");
                session.context.progress.say(&line);
                said.clone_from(&why);
            }
            wait.again(why).await?;
        }
    };
    let ready = session.context.cancel.run_until_cancelled(ready).await;
    let ready = ready.unwrap_or(Err(Error::Interrupted));
    with_reasons(ready, client, FUNCTION_NAMESPACE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn benchmark(more: &str) -> Benchmark {
        let text = format!(
            "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 2\ncores = 2\n\
             memory_mib = 4096\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 512\n[software]\n\
             resource_manager = \"kubernetes\"\nexecution_model = \"openfaas\"\n[benchmark]\n\
             application = \"image_classification\"\nfrequency = 1\n{more}"
        );
        let checked = continuum_plan::parse(&text, "d.toml", false, "d", &[]).unwrap();
        checked.config.benchmark.unwrap()
    }

    #[test]
    fn old_replicas_are_waited_for() {
        let of = |status: serde_json::Value| {
            let value = serde_json::json!({ "metadata": { "generation": 2 }, "status": status });
            is_rolled_out(&serde_json::from_value(value).unwrap())
        };
        let status = |observed, replicas, updated| {
            serde_json::json!({ "observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": replicas })
        };
        assert!(of(status(2, 1, 1)));
        assert!(!of(status(1, 1, 1)) && !of(status(2, 2, 1)));
    }

    #[test]
    fn only_what_an_earlier_bench_deployed_is_removed() {
        let labelled = |name: &str, label: &str| FunctionStatus {
            name: name.into(),
            labels: Some([(label.to_owned(), "true".to_owned())].into()),
            ..FunctionStatus::default()
        };
        let all = [
            labelled("image", OF_BENCH),
            labelled("io", OF_BENCH),
            labelled("own", "team"),
        ];
        let loads = applications::of(&benchmark("")).function_loads();
        assert_eq!(others(&all, &loads), ["io"]);
    }

    #[test]
    fn functions_are_deployed_as_upstream_does_with_requests_that_are_limits() {
        let image = wanted("image", &benchmark(""), "s", "w");
        assert_eq!((&*image.image, image.env_process), ("w", None));
        let requests = image.requests.unwrap();
        assert_eq!(requests.memory.as_deref(), Some("1000Mi"));
        assert_eq!(requests.cpu.as_deref(), Some("1000m"));
        let labels = image.labels.unwrap();
        assert_eq!(labels["com.openfaas.scale.max"], "5");
        assert!(!labels.contains_key("com.openfaas.scale.zero"));
        let suite = wanted(
            "io",
            &benchmark("per_request = true\nzero_after_s = 1.5\n"),
            "s",
            "w",
        );
        assert_eq!(
            suite.env_process.as_deref(),
            Some("continuum-function run io")
        );
        assert_eq!(
            suite.labels.unwrap()["com.openfaas.scale.zero-duration"],
            "1500ms"
        );
    }
}
