//! From what is wanted to a Deployment and a Service.

use super::{FUNCTION, Scaling, check_name, scale::MAX};
use crate::{config::Config, error::ApiError};
use continuum_openfaas_api::{FunctionDeployment, FunctionResources, Texts};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use serde_json::{Value, json};

/// Where functions find their secrets.
pub(crate) const SECRETS_DIR: &str = "/var/openfaas/secrets";
pub(crate) const PROCESS: &str = "fprocess";
/// A replica that is taken away may finish its calls for so long beyond the longest call: it takes new ones for a moment,
/// and at last its programs are asked to end.
const GRACE_S: u64 = 10;

fn resources(wanted: &FunctionDeployment) -> Result<Value, ApiError> {
    let one = |what: &str, given: &Option<FunctionResources>| {
        let mut list = serde_json::Map::new();
        let given = given.clone().unwrap_or_default();
        for (name, value) in [("memory", given.memory), ("cpu", given.cpu)] {
            let Some(value) = value.filter(|v| !v.is_empty()) else {
                continue;
            };
            let quantity = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            if quantity.parse::<f64>().is_err() {
                return Err(ApiError::bad_request(format!(
                    "the body's field `{what}.{name}` is not a quantity: `{value}`; write it as 64Mi or 100m"
                )));
            }
            list.insert(name.to_owned(), value.into());
        }
        Ok(Value::Object(list))
    };
    Ok(
        json!({ "limits": one("limits", &wanted.limits)?, "requests": one("requests", &wanted.requests)? }),
    )
}

fn node_selector(constraints: &[String]) -> Result<Value, ApiError> {
    let mut selector = serde_json::Map::new();
    for constraint in constraints {
        let (key, value) = constraint.split_once('=').ok_or_else(|| {
            ApiError::bad_request(format!(
                "constraint `{constraint}` is not understood; write it as LABEL=VALUE"
            ))
        })?;
        let value = value.trim_start_matches('=').trim();
        selector.insert(key.trim().to_owned(), value.into());
    }
    Ok(Value::Object(selector))
}

fn annotation<'a>(wanted: &'a FunctionDeployment, name: &str) -> Option<&'a str> {
    let all = wanted.annotations.as_ref()?;
    all.get(name).map(String::as_str)
}

/// A probe of the function's own health, whose path and delay annotations can set.
fn probe(wanted: &FunctionDeployment, kind: &str, port: u16) -> Value {
    let of = |what: &str| {
        let own = annotation(wanted, &format!("com.openfaas.{kind}.http.{what}"));
        own.or_else(|| annotation(wanted, &format!("com.openfaas.health.http.{what}")))
    };
    let seconds = |what: &str, default: u64| {
        let given = of(what).and_then(|text| humantime::parse_duration(text).ok());
        given.map_or(default, |d| d.as_secs())
    };
    json!({
        "httpGet": { "path": of("path").unwrap_or("/_/health"), "port": port },
        "initialDelaySeconds": seconds("initialDelay", 0),
        // A replica is to take calls as soon as it can: cold starts are what is studied.
        "periodSeconds": seconds("periodSeconds", 1).max(1),
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    })
}

/// The Deployment. `replicas` are those that it has now, if there is one.
pub(crate) fn deployment(
    wanted: &FunctionDeployment,
    namespace: &str,
    config: &Config,
    replicas: Option<u64>,
) -> Result<Deployment, ApiError> {
    check_name("function", &wanted.service)?;
    if wanted.image.trim().is_empty() {
        return Err(ApiError::bad_request("the body's field `image` is empty"));
    }
    let mut labels = wanted.labels.clone().unwrap_or_default();
    labels.insert(FUNCTION.to_owned(), wanted.service.clone());
    let scaling = Scaling::of(&labels)?;
    let annotations = wanted.annotations.clone().unwrap_or_default();
    let mut environment = wanted.env_vars.clone().unwrap_or_default();
    if let Some(process) = wanted.env_process.as_ref().filter(|p| !p.is_empty()) {
        environment.insert(PROCESS.to_owned(), process.clone());
    }
    let environment: Vec<Value> = environment
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    let secrets = wanted.secrets.clone().unwrap_or_default();
    if !secrets.is_empty() {
        let sources: Vec<Value> = secrets
            .iter()
            // All keys of it: others than we may have made it.
            .map(|name| json!({ "secret": { "name": name } }))
            .collect();
        volumes.push(json!({ "name": "secrets", "projected": { "sources": sources } }));
        mounts.push(json!({ "name": "secrets", "mountPath": SECRETS_DIR, "readOnly": true }));
    }
    if wanted.read_only_root_filesystem {
        volumes.push(json!({ "name": "temp", "emptyDir": {} }));
        mounts.push(json!({ "name": "temp", "mountPath": "/tmp" }));
    }
    // Without a maximum of its own, what somebody asked for by hand stays.
    let most = if labels.contains_key(MAX) {
        scaling.max
    } else {
        u64::MAX
    };
    let replicas = match replicas {
        Some(0) => 0,
        // As it is: what scaled it had its reasons.
        Some(now) => now.clamp(scaling.min, most),
        None => scaling.min,
    };
    let value = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": wanted.service,
            "namespace": namespace,
            "labels": { FUNCTION: wanted.service },
            "annotations": annotations,
        },
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": { "matchLabels": { FUNCTION: wanted.service } },
            // No call finds nobody: an old replica goes when a new one is ready.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
            "template": {
                "metadata": { "labels": labels, "annotations": annotations },
                "spec": {
                    "nodeSelector": node_selector(wanted.constraints.as_deref().unwrap_or_default())?,
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": config.upstream_timeout.as_secs() + GRACE_S,
                    "volumes": volumes,
                    "containers": [{
                        "name": wanted.service,
                        "image": wanted.image,
                        "imagePullPolicy": config.image_pull_policy,
                        "ports": [{ "name": "http", "containerPort": config.function_port, "protocol": "TCP" }],
                        "env": environment,
                        "resources": resources(wanted)?,
                        "readinessProbe": probe(wanted, "ready", config.function_port),
                        "securityContext": {
                            "readOnlyRootFilesystem": wanted.read_only_root_filesystem,
                            "allowPrivilegeEscalation": false,
                        },
                        "volumeMounts": mounts,
                    }],
                },
            },
        },
    });
    object("Deployment", value)
}

/// The name of the function inside the cluster.
pub(crate) fn service(
    name: &str,
    namespace: &str,
    annotations: &Texts,
    port: u16,
) -> Result<Service, ApiError> {
    let value = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": { FUNCTION: name },
            "annotations": annotations,
        },
        "spec": {
            "type": "ClusterIP",
            "selector": { FUNCTION: name },
            "ports": [{ "name": "http", "protocol": "TCP", "port": port, "targetPort": port }],
        },
    });
    object("Service", value)
}

fn object<T: serde::de::DeserializeOwned>(kind: &str, value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value)
        .map_err(|error| ApiError::bad_request(format!("describe the {kind}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn config() -> Config {
        Config::parse_from(["gateway"])
    }

    fn wanted() -> FunctionDeployment {
        FunctionDeployment {
            service: "image".into(),
            image: "continuum.local/functions:1".into(),
            env_process: Some("cat".into()),
            constraints: Some(vec!["kubernetes.io/hostname=cloud0".into()]),
            secrets: Some(vec!["token".into()]),
            labels: Some([("com.openfaas.scale.min".to_owned(), "2".to_owned())].into()),
            limits: Some(FunctionResources {
                memory: Some("64Mi".into()),
                cpu: None,
            }),
            read_only_root_filesystem: true,
            ..FunctionDeployment::default()
        }
    }

    #[test]
    fn everything_that_is_wanted_stands_in_the_deployment() {
        let made = deployment(&wanted(), "fn", &config(), None).unwrap();
        let value = serde_json::to_value(&made).unwrap();
        assert_eq!(value["spec"]["replicas"], 2);
        let pod = &value["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"]["kubernetes.io/hostname"], "cloud0");
        let container = &pod["containers"][0];
        assert_eq!(
            container["env"][0],
            json!({ "name": "fprocess", "value": "cat" })
        );
        assert_eq!(
            container["resources"]["limits"],
            json!({ "memory": "64Mi" })
        );
        assert_eq!(container["volumeMounts"][0]["mountPath"], SECRETS_DIR);
        assert_eq!(container["volumeMounts"][1]["mountPath"], "/tmp");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/_/health");
        // Those that there are stay, unless they are too few or too many; none is a wish, too.
        let replicas = |wanted: &FunctionDeployment, now| {
            let made = deployment(wanted, "fn", &config(), Some(now)).unwrap();
            made.spec.unwrap().replicas.unwrap()
        };
        assert_eq!(
            [0, 1, 4, 9].map(|now| replicas(&wanted(), now)),
            [0, 2, 4, 9]
        );
        let mut bounded = wanted();
        bounded
            .labels
            .as_mut()
            .unwrap()
            .insert(MAX.into(), "5".into());
        assert_eq!(
            [0, 1, 4, 9].map(|now| replicas(&bounded, now)),
            [0, 2, 4, 5]
        );
    }

    #[test]
    fn bad_wishes_are_refused_with_their_names() {
        let fault = |change: fn(&mut FunctionDeployment)| {
            let mut wanted = wanted();
            change(&mut wanted);
            deployment(&wanted, "fn", &config(), None).unwrap_err().text
        };
        assert!(fault(|w| w.service = "Not_DNS".into()).contains("Not_DNS"));
        assert!(fault(|w| w.image = " ".into()).contains("`image`"));
        assert!(fault(|w| w.constraints = Some(vec!["here".into()])).contains("`here`"));
        let memory = |w: &mut FunctionDeployment| {
            w.limits = Some(FunctionResources {
                memory: Some("much".into()),
                cpu: None,
            });
        };
        assert!(fault(memory).contains("`limits.memory`"));
        let labels = |w: &mut FunctionDeployment| {
            w.labels = Some([("com.openfaas.scale.min".to_owned(), "few".to_owned())].into());
        };
        assert!(fault(labels).contains("com.openfaas.scale.min"));
    }
}
