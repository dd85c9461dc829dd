//! The real `OpenFaaS` by image references of the user's own, after its terms were accepted. Pure.

use super::builtin::FUNCTIONS;
use crate::artifacts;
use continuum_agents::ArtifactSource;
use continuum_host::error::Error;
use continuum_model::NodePlan;
use serde_json::{Value, json};
use std::path::Path;

/// What stops `up` without an answer to it.
pub(super) const TERMS: &str = "OpenFaaS's Community Edition has terms of its own: not for redistribution, a limited number \
    of functions, and a limited time of commercial use; read them at https://github.com/openfaas/faas/blob/master/EULA.md, \
    then set software.accept_openfaas_terms=true, or use distribution builtin";

fn archive(image: &str) -> Option<&Path> {
    let path = Path::new(image);
    path.extension().is_some_and(|e| e == "tar").then_some(path)
}

/// Archives that are not there.
pub(super) fn missing_archives(images: &[String]) -> Vec<String> {
    let all = images.iter().filter_map(|i| archive(i.split_once('=')?.1));
    let missing = all.filter(|path| !path.is_file());
    missing
        .map(|path| format!("there is no container image archive `{}`", path.display()))
        .collect()
}

/// Images as pods name them, and archives that nodes get.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// `NAME=REFERENCE`.
    pub(super) references: Vec<String>,
    pub(super) of_controller: Vec<ArtifactSource>,
    pub(super) of_workers: Vec<ArtifactSource>,
}

impl Images {
    /// Names of images stay, archives become what they say that they are.
    pub(super) fn read(images: &[String]) -> Result<Self, Error> {
        let mut all = Self::default();
        for image in images {
            let Some((name, file)) = image
                .split_once('=')
                .and_then(|(name, image)| Some((name, archive(image)?)))
            else {
                all.references.push(image.clone());
                continue;
            };
            let source = artifacts::image_archive(file)?;
            all.references
                .push(format!("{name}={}", source.reference()));
            match name {
                "gateway" | "faas-netes" => all.of_controller.push(source),
                _ => all.of_workers.push(source),
            }
        }
        Ok(all)
    }
}

/// The builtin's objects with other programs behind the same names.
pub fn objects(images: &[String], controller: &NodePlan, password: &str) -> Vec<Value> {
    let image = |part: &str| {
        let own = images.iter().filter_map(|i| i.split_once('='));
        own.clone()
            .find(|(name, _)| *name == part)
            .map(|(_, image)| image)
            .unwrap_or_default()
    };
    // Its gateway asks no kubelet.
    let mut all = super::builtin::objects(image("gateway"), controller, &[], password);
    let deployment = all.iter_mut().find(|o| o["kind"] == "Deployment");
    if let Some(deployment) = deployment {
        let address = controller.address.to_string();
        gateway(deployment, image("gateway"), image("faas-netes"), &address);
    }
    if let Some(role) = all.iter_mut().find(|o| o["kind"] == "ClusterRole")
        && let Some(rules) = role["rules"].as_array_mut()
    {
        rules.push(json!({ "apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "list", "watch"] }));
        rules.push(json!({
            "apiGroups": [""], "resources": ["services"], "verbs": ["watch", "update"],
        }));
        rules.push(json!({
            "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"],
        }));
    }
    all.extend(queue(image("queue-worker"), image("nats")));
    all
}

/// The gateway with its provider in one pod, as the project's chart has them.
fn gateway(deployment: &mut Value, gateway: &str, provider: &str, address: &str) {
    let auth = json!([{ "name": "auth", "mountPath": "/var/secrets", "readOnly": true }]);
    let env = |pairs: &[(&str, &str)]| -> Value {
        pairs
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect()
    };
    let containers = json!([
        {
            "name": "gateway", "image": gateway, "imagePullPolicy": "IfNotPresent",
            "command": ["./gateway"],
            "env": env(&[
                ("read_timeout", "5m"), ("write_timeout", "5m"), ("upstream_timeout", "5m"),
                ("functions_provider_url", "http://127.0.0.1:8081/"), ("direct_functions", "false"),
                ("function_namespace", FUNCTIONS), ("basic_auth", "true"), ("secret_mount_path", "/var/secrets"),
                ("faas_nats_address", "nats.openfaas.svc.cluster.local"), ("faas_nats_port", "4222"),
                ("faas_nats_channel", "faas-request"), ("auth_proxy_url", ""), ("auth_pass_body", "false"),
            ]),
            "ports": [{ "name": "http", "containerPort": 8080 }],
            "readinessProbe": { "httpGet": { "path": "/healthz", "port": 8080 }, "timeoutSeconds": 5 },
            "volumeMounts": auth,
        },
        {
            "name": "faas-netes", "image": provider, "imagePullPolicy": "IfNotPresent",
            "command": ["./faas-netes"],
            "env": env(&[
                ("port", "8081"), ("function_namespace", FUNCTIONS), ("image_pull_policy", "IfNotPresent"),
                ("read_timeout", "5m"), ("write_timeout", "5m"), ("set_nonroot_user", "false"),
                ("http_probe", "true"), ("basic_auth", "true"), ("secret_mount_path", "/var/secrets"),
            ("KUBERNETES_SERVICE_HOST", address), ("KUBERNETES_SERVICE_PORT", "6443"),
            ]),
            "ports": [{ "name": "provider", "containerPort": 8081 }],
            "volumeMounts": auth,
        },
    ]);
    let pod = &mut deployment["spec"]["template"]["spec"];
    pod["containers"] = containers;
    pod["dnsPolicy"] = "ClusterFirstWithHostNet".into();
}

/// The queue: NATS, and who makes the calls that wait there.
fn queue(worker: &str, nats: &str) -> Vec<Value> {
    let meta = |name: &str| json!({ "name": name, "namespace": "openfaas" });
    let deployment = |name: &str, container: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name),
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": {
                        "enableServiceLinks": false,
                        "containers": [container],
                        "volumes": [{ "name": "auth", "secret": { "secretName": "basic-auth" } }],
                    },
                },
            },
        })
    };
    vec![
        deployment(
            "nats",
            json!({
                "name": "nats", "image": nats, "imagePullPolicy": "IfNotPresent",
                "command": ["/nats-streaming-server"],
                "args": ["--store", "memory", "--cluster_id", "faas-cluster"],
                "ports": [{ "name": "clients", "containerPort": 4222 }],
            }),
        ),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": meta("nats"),
            "spec": { "selector": { "app": "nats" }, "ports": [{ "name": "clients", "port": 4222 }] },
        }),
        deployment(
            "queue-worker",
            json!({
                "name": "queue-worker", "image": worker, "imagePullPolicy": "IfNotPresent",
                "env": [
                    { "name": "faas_nats_address", "value": "nats.openfaas.svc.cluster.local" },
                    { "name": "faas_nats_channel", "value": "faas-request" },
                    { "name": "faas_nats_queue_group", "value": "faas" },
                    { "name": "faas_gateway_address", "value": "gateway.openfaas.svc.cluster.local" },
                    { "name": "gateway_invoke", "value": "true" },
                    { "name": "ack_wait", "value": "5m" },
                    { "name": "basic_auth", "value": "true" },
                    { "name": "secret_mount_path", "value": "/var/secrets" },
                ],
                "volumeMounts": [{ "name": "auth", "mountPath": "/var/secrets", "readOnly": true }],
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::builtin::tests::controller, *};
    use continuum_plan::execution_models::OPENFAAS_PARTS;

    #[test]
    fn every_part_has_its_image_and_archives_are_read() {
        let images: Vec<String> = OPENFAAS_PARTS
            .iter()
            .map(|p| format!("{p}=example.org/{p}:1"))
            .collect();
        let all = objects(&images, &controller(), "p");
        let text = serde_json::to_string(&all).unwrap();
        for part in OPENFAAS_PARTS {
            assert!(text.contains(&format!("example.org/{part}:1")), "{part}");
        }
        let archives = [
            "gateway=/nowhere/gateway.tar".to_owned(),
            "nats=example.org/nats:1".to_owned(),
        ];
        assert!(missing_archives(&archives)[0].contains("/nowhere/gateway.tar"));
        assert!(Images::read(&archives).is_err());
        assert_eq!(
            Images::read(&archives[1..]).unwrap().references,
            archives[1..]
        );
    }
}
