//! A run as a Job: one pod, on its node, never tried twice.

use crate::{agents::RunStart, error::Error, managers::node_name, plan::GUEST_DATA_DIR};
use k8s_openapi::api::batch::v1::Job;
use serde_json::json;
use std::time::Duration;

/// Label with the id of a run.
pub(super) const RUN: &str = "continuum/run";
/// Label with the id of a bench.
pub(super) const BENCH: &str = "continuum/bench";
/// Label of everything that is ours.
pub(super) const OURS: &str = "app.kubernetes.io/managed-by=continuum";

const BUNDLE_DIR: &str = "/opt/continuum/bundle";
const OUT_DIR: &str = "/out";

/// As names in a cluster must be.
pub(super) fn dns_name(text: &str) -> String {
    text.to_ascii_lowercase().replace('_', "-")
}

/// Name of the Job of a run.
pub(super) fn job_name(application: &str, run_id: &str) -> String {
    dns_name(&format!("{application}-{run_id}"))
}

/// The Job. Requests are limits: what a pod may use is what it is promised, so that results do not depend on neighbours.
pub(super) fn job(
    application: &str,
    run: &RunStart,
    node: &str,
    image: &str,
    deadline: Duration,
) -> Result<Job, Error> {
    let resources = json!({
        "cpu": format!("{}m", (run.cpu_cores * 1000.0).round().max(1.0)),
        "memory": run.memory_bytes.to_string(),
    });
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
                    // It asks nothing of the cluster.
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "containers": [{
                        "name": dns_name(application),
                        "image": image,
                        "imagePullPolicy": "Never",
                        "args": [
                            "run",
                            // The kubelet replaces `$(NAME)`.
                            format!("--spec-json={}", run.spec_json.replace("$(", "$$(")),
                            format!("--bundle={BUNDLE_DIR}"),
                            format!("--out={OUT_DIR}"),
                        ],
                        "resources": { "requests": resources, "limits": resources },
                        "volumeMounts": [{ "name": "out", "mountPath": OUT_DIR }],
                    }],
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
        };
        let job = job(
            "image_classification",
            &run,
            "cloud_0",
            "continuum.local/workload:0.1.0",
            Duration::from_secs(700),
        )
        .unwrap();
        let value = serde_json::to_value(&job).unwrap();
        assert_eq!(value["metadata"]["name"], "image-classification-b1-cloud0");
        assert_eq!(value["spec"]["backoffLimit"], 0);
        let pod = &value["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"]["kubernetes.io/hostname"], "cloud-0");
        let container = &pod["containers"][0];
        let limits = json!({ "cpu": "500m", "memory": "268435456" });
        assert_eq!(container["resources"]["limits"], limits);
        assert_eq!(container["resources"]["requests"], limits);
        assert_eq!(container["imagePullPolicy"], "Never");
        assert_eq!(container["args"][1], r#"--spec-json={"node":"$$(HOME)"}"#);
    }
}
