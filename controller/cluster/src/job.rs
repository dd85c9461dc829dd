//! A run as a Job: one pod, on its node, never tried twice.

use continuum_agents::{OUT_DIR, RunStart, workload_arguments};
use continuum_host::error::Error;
use continuum_model::{GUEST_DATA_DIR, UserContainer, node_name};
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};
use std::time::Duration;

/// Label with the id of a run.
pub(super) const RUN: &str = "continuum/run";
/// Label with the id of a bench.
pub(super) const BENCH: &str = "continuum/bench";
/// Label of everything that is ours.
pub(super) const OURS: &str = "app.kubernetes.io/managed-by=continuum";

/// An image as a pod names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Full name with tag.
    pub reference: String,
    /// It is on the node; otherwise somebody else has it.
    pub is_brought: bool,
}

/// As names in a cluster must be.
pub(super) fn dns_name(text: &str) -> String {
    text.to_ascii_lowercase().replace('_', "-")
}

/// Name of the Job of a run.
pub(super) fn job_name(application: &str, run_id: &str) -> String {
    dns_name(&format!("{application}-{run_id}"))
}

/// The container of a run.
fn container(
    application: &str,
    run: &RunStart,
    image: &Image,
    own: Option<&UserContainer>,
) -> Value {
    let resources = json!({
        "cpu": format!("{}m", (run.cpu_cores * 1000.0).round().max(1.0)),
        "memory": run.memory_bytes.to_string(),
    });
    let mut container = json!({
        "name": dns_name(application),
        "image": image.reference,
        // What we brought is there or nowhere; a name of the user's own may be known to a registry.
        "imagePullPolicy": if image.is_brought { "Never" } else { "IfNotPresent" },
        "resources": { "requests": resources, "limits": resources },
        "volumeMounts": [{ "name": "out", "mountPath": OUT_DIR }],
    });
    // The kubelet replaces `$(NAME)`.
    let plain = |text: &str| text.replace("$(", "$$(");
    match own {
        None => container["args"] = json!(workload_arguments(&plain(&run.spec_json))),
        Some(own) => {
            if !own.image.command.is_empty() {
                let command: Vec<String> = own.image.command.iter().map(|w| plain(w)).collect();
                container["command"] = json!(command);
            }
            let env = own.env.iter();
            container["env"] = env
                .map(|(k, v)| json!({ "name": k, "value": plain(v) }))
                .collect();
            let ports = own.ports.iter();
            container["ports"] = ports.map(|p| json!({ "containerPort": p })).collect();
        }
    }
    container
}

/// The Job. Requests are limits: what a pod may use is what it is promised, so that results do not depend on neighbours.
pub fn job(
    application: &str,
    run: &RunStart,
    node: &str,
    image: &Image,
    own: Option<&UserContainer>,
    deadline: Duration,
) -> Result<Job, Error> {
    let labels = json!({
        "app.kubernetes.io/managed-by": "continuum",
        "app.kubernetes.io/name": dns_name(application),
        BENCH: run.bench,
        RUN: run.id,
    });
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": job_name(application, &run.id), "labels": labels },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline.as_secs(),
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 5,
                    // The endpoints of this run send to the broker of this node.
                    "nodeSelector": { "kubernetes.io/hostname": node_name(node) },
                    // Endpoints reach the ports of a user's own container at the address of its node.
                    "hostNetwork": own.is_some_and(|o| !o.ports.is_empty()),
                    // A node out of reach goes on with its run, and is not to be robbed of it.
                    "tolerations": [
                        { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute" },
                        { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute" },
                    ],
                    // It asks nothing of the cluster.
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "containers": [container(application, run, image, own)],
                    "volumes": [{
                        "name": "out",
                        "hostPath": {
                            // The agent's own place for runs, so that it can send what they leave.
                            "path": format!("{GUEST_DATA_DIR}/runs/{}/out", run.id),
                            "type": "DirectoryOrCreate",
                        },
                    }],
                },
            },
        },
    });
    serde_json::from_value(job).map_err(|e| Error::other(format!("describe run {}", run.id), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_promised_what_it_may_use_and_stays_on_its_node() {
        let run = RunStart {
            id: "b1-cloud0".into(),
            bench: "b1".into(),
            spec_json: r#"{"node":"$(HOME)"}"#.into(),
            cpu_cores: 0.5,
            memory_bytes: 256 << 20,
            lease: Duration::from_secs(30),
            container: None,
        };
        let job = job(
            "image_classification",
            &run,
            "cloud_0",
            &Image {
                reference: "continuum.local/workload:0.1.0".into(),
                is_brought: true,
            },
            None,
            Duration::from_secs(700),
        )
        .unwrap();
        let value = serde_json::to_value(&job).unwrap();
        assert_eq!(value["metadata"]["name"], "image-classification-b1-cloud0");
        assert_eq!(value["spec"]["backoffLimit"], 0);
        let pod = &value["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"]["kubernetes.io/hostname"], "cloud-0");
        let patient = pod["tolerations"].as_array().unwrap();
        assert!(patient.iter().all(|t| t["tolerationSeconds"].is_null()));
        let container = &pod["containers"][0];
        let limits = json!({ "cpu": "500m", "memory": "268435456" });
        assert_eq!(container["resources"]["limits"], limits);
        assert_eq!(container["resources"]["requests"], limits);
        assert_eq!(container["imagePullPolicy"], "Never");
        assert_eq!(container["args"][1], r#"--spec-json={"node":"$$(HOME)"}"#);
    }

    #[test]
    fn a_container_of_the_users_own_keeps_its_command_and_is_reached_at_its_node() {
        let run = RunStart {
            id: "b1-cloud0".into(),
            bench: "b1".into(),
            spec_json: "{}".into(),
            cpu_cores: 1.0,
            memory_bytes: 1 << 20,
            lease: Duration::from_secs(30),
            container: None,
        };
        let own = UserContainer {
            env: [("CONTINUUM_NODE".to_owned(), "cloud0".to_owned())].into(),
            ports: vec![8080],
            ..UserContainer::default()
        };
        let image = Image {
            reference: "example.org/app:1".into(),
            is_brought: false,
        };
        let deadline = Duration::from_mins(1);
        let job = job("container", &run, "cloud0", &image, Some(&own), deadline).unwrap();
        let value = serde_json::to_value(&job).unwrap();
        let pod = &value["spec"]["template"]["spec"];
        assert_eq!(pod["hostNetwork"], true);
        let container = &pod["containers"][0];
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(container["ports"][0]["containerPort"], 8080);
        assert_eq!(container["env"][0]["name"], "CONTINUUM_NODE");
        assert!(container["args"].is_null() && container["command"].is_null());
    }
}
