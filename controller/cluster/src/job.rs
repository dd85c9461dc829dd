//! A run as a Job: one pod, on its node, never tried twice.

use super::error::ClusterError;
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

/// Label of a node with its own name.
const HOST: &str = "kubernetes.io/hostname";

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

pub(super) fn job_name(application: &str, run_id: &str) -> String {
    dns_name(&format!("{application}-{run_id}"))
}

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

/// What all pods of runs have.
fn pod_spec(containers: &[Value], mut out: Value) -> Value {
    out["name"] = json!("out");
    json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        // A node out of reach goes on with its run, and is not to be robbed of it.
        "tolerations": [
            { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute" },
            { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute" },
        ],
        // It asks nothing of the cluster.
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "containers": containers,
        "volumes": [out],
    })
}

/// A Job of these pods.
fn whole(
    application: &str,
    bench: &str,
    id: &str,
    deadline: Duration,
    how: &Value,
    pod: &Value,
) -> Result<Job, Error> {
    let labels = json!({
        "app.kubernetes.io/managed-by": "continuum",
        "app.kubernetes.io/name": dns_name(application),
        BENCH: bench,
        RUN: id,
    });
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": job_name(application, id), "labels": labels },
        "spec": how,
    });
    job["spec"]["activeDeadlineSeconds"] = json!(deadline.as_secs());
    job["spec"]["template"] = json!({ "metadata": { "labels": labels }, "spec": pod });
    serde_json::from_value(job).map_err(|source| ClusterError::job(id, source).into())
}

/// The Job of one run. Requests are limits: what a pod may use is what it is promised, so that results do not depend on
/// neighbours.
pub fn job(
    application: &str,
    run: &RunStart,
    node: &str,
    image: &Image,
    own: Option<&UserContainer>,
    deadline: Duration,
) -> Result<Job, Error> {
    // The agent's own place for runs, so that it can send what they leave.
    let out = json!({ "hostPath": {
        "path": format!("{GUEST_DATA_DIR}/runs/{}/out", run.id),
        "type": "DirectoryOrCreate",
    } });
    let mut pod = pod_spec(&[container(application, run, image, own)], out);
    // The endpoints of this run send to the broker of this node.
    pod["nodeSelector"] = json!({ HOST: node_name(node) });
    // Endpoints reach the ports of a user's own container at the address of its node.
    pod["hostNetwork"] = json!(own.is_some_and(|o| !o.ports.is_empty()));
    let once = json!({ "backoffLimit": 0 });
    whole(application, &run.bench, &run.id, deadline, &once, &pod)
}

/// One of several runs that come together. Those that share a Job do the same, and leave no files.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it is told.
    pub run: RunStart,
    /// Where it is planned.
    pub node: String,
    /// What it runs in.
    pub image: Image,
    /// A container of the user's own.
    pub own: Option<UserContainer>,
}

/// Where a run is told that it runs before anybody knows.
const THIS_NODE: &str = "CONTINUUM_NODE";

/// One Job with a pod for each; the scheduler spreads them evenly over the members' nodes.
pub(super) fn job_of_pods(
    application: &str,
    id: &str,
    first: &Member,
    members: &[Member],
    deadline: Duration,
) -> Result<Job, Error> {
    let mut spec: Value = serde_json::from_str(&first.run.spec_json)
        .map_err(|source| ClusterError::job(id, source))?;
    let unknown = "\u{1}node";
    spec["node"] = json!(unknown);
    let anywhere = RunStart {
        spec_json: spec.to_string(),
        ..first.run.clone()
    };
    let mut container = container(application, &anywhere, &first.image, None);
    container["env"] = json!([{
        "name": THIS_NODE,
        "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } },
    }]);
    // Only now: what stands in a spec is plain text otherwise.
    let quoted = json!(unknown).to_string();
    for argument in container["args"].as_array_mut().into_iter().flatten() {
        if let Some(text) = argument.as_str() {
            *argument = json!(text.replace(&quoted, &format!("\"$({THIS_NODE})\"")));
        }
    }
    let mut pod = pod_spec(&[container], json!({ "emptyDir": {} }));
    let mut nodes: Vec<String> = members.iter().map(|m| node_name(&m.node)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    pod["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{ "matchExpressions": [{ "key": HOST, "operator": "In", "values": nodes }] }],
    } } });
    if nodes.len() > 1 {
        pod["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": HOST,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": { "matchLabels": { RUN: id } },
        }]);
    }
    let how = json!({
        "completionMode": "Indexed",
        "completions": members.len(),
        "parallelism": members.len(),
        // Each once, and one that fails takes none of the others with it.
        "backoffLimitPerIndex": 0,
    });
    whole(application, &first.run.bench, id, deadline, &how, &pod)
}

/// Name of a container among several.
pub(super) fn container_name(application: &str, index: usize) -> String {
    dns_name(&format!("{application}-{index}"))
}

/// One pod with a container for each, on the node of the first.
pub(super) fn job_of_containers(
    application: &str,
    id: &str,
    first: &Member,
    members: &[Member],
    deadline: Duration,
) -> Result<Job, Error> {
    let containers = members.iter().enumerate().map(|(index, member)| {
        let mut container = container(application, &member.run, &member.image, None);
        container["name"] = json!(container_name(application, index));
        container
    });
    let containers: Vec<Value> = containers.collect();
    let mut pod = pod_spec(&containers, json!({ "emptyDir": {} }));
    pod["nodeSelector"] = json!({ HOST: node_name(&first.node) });
    let once = json!({ "backoffLimit": 0 });
    whole(application, &first.run.bench, id, deadline, &once, &pod)
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
