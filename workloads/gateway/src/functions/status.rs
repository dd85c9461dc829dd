//! From a Deployment to what is known of a function.

use super::deployment::PROCESS;
use continuum_openfaas_api::{FunctionResources, FunctionStatus, Texts};
use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::api::resource::Quantity};
use std::collections::BTreeMap;

fn resources(list: Option<&BTreeMap<String, Quantity>>) -> Option<FunctionResources> {
    let list = list.filter(|l| !l.is_empty())?;
    let of = |name: &str| list.get(name).map(|q| q.0.clone());
    Some(FunctionResources {
        memory: of("memory"),
        cpu: of("cpu"),
    })
}

pub(crate) fn status(deployment: &Deployment, available: u64, invocations: u64) -> FunctionStatus {
    let meta = &deployment.metadata;
    let spec = deployment.spec.as_ref();
    let template = spec.map(|s| &s.template);
    let pod = template.and_then(|t| t.spec.as_ref());
    let container = pod.and_then(|p| p.containers.first());
    let mut environment: Texts = container
        .and_then(|c| c.env.as_ref())
        .into_iter()
        .flatten()
        .map(|e| (e.name.clone(), e.value.clone().unwrap_or_default()))
        .collect();
    let selector = pod.and_then(|p| p.node_selector.as_ref());
    let secrets = pod
        .and_then(|p| p.volumes.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|v| v.projected.as_ref()?.sources.as_ref())
        .flatten()
        .filter_map(|s| Some(s.secret.as_ref()?.name.clone()))
        .collect();
    let limits = container.and_then(|c| c.resources.as_ref());
    FunctionStatus {
        name: meta.name.clone().unwrap_or_default(),
        image: container.and_then(|c| c.image.clone()).unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        env_process: environment.remove(PROCESS),
        env_vars: environment,
        constraints: selector
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={v}"))
            .collect(),
        secrets,
        labels: template.and_then(|t| t.metadata.as_ref()?.labels.clone()),
        annotations: template
            .and_then(|t| t.metadata.as_ref()?.annotations.clone())
            .or_else(|| Some(Texts::new())),
        limits: limits.and_then(|r| resources(r.limits.as_ref())),
        requests: limits.and_then(|r| resources(r.requests.as_ref())),
        read_only_root_filesystem: container
            .and_then(|c| c.security_context.as_ref()?.read_only_root_filesystem)
            .unwrap_or_default(),
        invocation_count: invocations as f64,
        replicas: replicas(deployment),
        available_replicas: available,
        created_at: meta.creation_timestamp.as_ref().map(|t| t.0.to_string()),
    }
}

/// Those that are wanted.
pub(crate) fn replicas(deployment: &Deployment) -> u64 {
    let wanted = deployment.spec.as_ref().and_then(|s| s.replicas);
    u64::try_from(wanted.unwrap_or(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, functions::deployment};
    use clap::Parser;
    use continuum_openfaas_api::FunctionDeployment;

    #[test]
    fn what_was_asked_for_is_told_again() {
        let wanted = FunctionDeployment {
            service: "f".into(),
            image: "i".into(),
            env_process: Some("env".into()),
            env_vars: Some([("A".to_owned(), "1".to_owned())].into()),
            constraints: Some(vec!["zone=here".into()]),
            secrets: Some(vec!["s".into()]),
            labels: Some([("team".to_owned(), "blue".to_owned())].into()),
            annotations: Some([("why".to_owned(), "test".to_owned())].into()),
            limits: Some(FunctionResources {
                memory: Some("5Mi".into()),
                cpu: Some("100m".into()),
            }),
            ..FunctionDeployment::default()
        };
        let made = deployment(&wanted, "fn", &Config::parse_from(["gateway"]), Some(3)).unwrap();
        let known = status(&made, 2, 7);
        assert_eq!(
            (&*known.name, &*known.image, &*known.namespace),
            ("f", "i", "fn")
        );
        assert_eq!(known.env_process, wanted.env_process);
        assert_eq!(Some(known.env_vars), wanted.env_vars);
        assert_eq!(Some(known.constraints), wanted.constraints);
        assert_eq!(Some(known.secrets), wanted.secrets);
        assert_eq!(known.annotations, wanted.annotations);
        assert_eq!(known.limits, wanted.limits);
        assert_eq!(known.requests, None);
        assert_eq!(known.labels.unwrap()["team"], "blue");
        assert_eq!((known.replicas, known.available_replicas), (3, 2));
    }
}
