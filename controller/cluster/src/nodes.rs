//! Which nodes of a cluster are ready, and why others are not.

use super::{ask::list_once, error::ClusterError};
use continuum_common::wait::Wait;
use continuum_host::{context::Context, error::Error};
use continuum_model::{Plan, node_name};
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kube::{Api, Client, api::ListParams};
use std::{collections::BTreeMap, time::Duration};

/// For nodes to become ready after they have joined.
const READY_DEADLINE: Duration = Duration::from_mins(8);
const READY_EVERY: Duration = Duration::from_secs(1);

/// Conditions under which a node that is ready otherwise takes no pods. Short of memory is not among them: what has limits
/// is still taken then.
const FULL: [&str; 2] = ["DiskPressure", "PIDPressure"];

/// Why a node takes no pods; `None` = it does.
pub(super) fn why_not(conditions: &[NodeCondition]) -> Option<String> {
    let message = |c: &NodeCondition| c.message.clone().unwrap_or_default();
    match conditions.iter().find(|c| c.type_ == "Ready") {
        None => return Some("it has not reported yet".to_owned()),
        Some(ready) if ready.status != "True" => return Some(message(ready)),
        Some(_) => {}
    }
    let mut full = conditions.iter().filter(|c| c.status == "True");
    let full = full.find(|c| FULL.contains(&&*c.type_))?;
    Some(format!("{}: {}", full.type_, message(full)))
}

/// Name of each node that is not ready, with why.
fn unready(plan: &Plan, nodes: &[Node]) -> BTreeMap<String, String> {
    let mut unready = BTreeMap::new();
    for node in plan.nodes.iter().filter(|n| n.pod_prefix.is_some()) {
        let name = node_name(&node.name);
        let found = nodes
            .iter()
            .find(|n| n.metadata.name.as_deref() == Some(&name));
        let conditions = found
            .and_then(|n| n.status.as_ref())
            .and_then(|s| s.conditions.as_deref());
        if let Some(why) = why_not(conditions.unwrap_or_default()) {
            unready.insert(name, why);
        }
    }
    unready
}

/// All nodes, asked for until there is an answer.
async fn list(client: &Client) -> Result<Vec<Node>, Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let parameters = ListParams::default();
    let list = super::ask::ask("look at the cluster's nodes", || nodes.list(&parameters)).await?;
    Ok(list.items)
}

/// Waits until every node of the plan is ready.
pub async fn wait_ready(context: &Context, client: &Client, plan: &Plan) -> Result<(), Error> {
    let mut wait = Wait::new(
        "all nodes of the cluster to be ready",
        READY_DEADLINE,
        READY_EVERY,
    );
    let mut said = String::new();
    loop {
        let last = match list_once(client).await {
            Ok(nodes) => {
                let unready = unready(plan, &nodes);
                if unready.is_empty() {
                    return Ok(());
                }
                let why = unready.iter().map(|(node, why)| format!("{node}: {why}"));
                why.collect::<Vec<_>>().join("; ")
            }
            Err(unanswered) => unanswered.to_string(),
        };
        if last != said {
            context.progress.say(&format!("not ready: {last}"));
            said.clone_from(&last);
        }
        wait.again(last).await?;
    }
}

/// Nodes that are not ready now, with why; asked once.
pub async fn unready_now(client: &Client, plan: &Plan) -> Result<BTreeMap<String, String>, Error> {
    let nodes = list_once(client).await.map_err(ClusterError::Nodes)?;
    Ok(unready(plan, &nodes))
}

/// Fails with every node that is not ready now.
pub async fn check_ready(name: &str, client: &Client, plan: &Plan) -> Result<(), Error> {
    let unready = unready(plan, &list(client).await?);
    if unready.is_empty() {
        return Ok(());
    }
    let reason = |(node, why): (String, String)| format!("node {node} is not ready: {why}");
    Err(Error::Preflight {
        name: name.to_owned(),
        reasons: unready.into_iter().map(reason).collect(),
    })
}

/// What the running API server and the kubelets say that they are, by name.
pub async fn versions(client: &Client) -> Result<BTreeMap<String, String>, Error> {
    let server = super::ask::ask("ask the API server for its version", || {
        client.apiserver_version()
    })
    .await?;
    let mut all = BTreeMap::from([(
        "kube-apiserver".to_owned(),
        format!("{} {}", server.git_version, server.go_version),
    )]);
    for node in list(client).await? {
        let info = node.status.and_then(|s| s.node_info);
        if let (Some(name), Some(info)) = (node.metadata.name, info) {
            let text = format!(
                "kubelet {}, {}, kernel {}, {}",
                info.kubelet_version,
                info.container_runtime_version,
                info.kernel_version,
                info.os_image
            );
            all.insert(name, text);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(all: &[(&str, &str, &str)]) -> Vec<NodeCondition> {
        let condition = |(kind, status, message): &(&str, &str, &str)| NodeCondition {
            type_: (*kind).to_owned(),
            status: (*status).to_owned(),
            message: Some((*message).to_owned()),
            ..NodeCondition::default()
        };
        all.iter().map(condition).collect()
    }

    #[test]
    fn a_node_that_takes_no_pods_says_why() {
        let ready = ("Ready", "True", "kubelet is posting ready status");
        let full = ("DiskPressure", "True", "kubelet has disk pressure");
        let fine = [
            ("MemoryPressure", "True", "kubelet has memory pressure"),
            ("DiskPressure", "Unknown", "Kubelet stopped posting"),
            ready,
        ];
        assert_eq!(why_not(&conditions(&fine)), None);
        let why = why_not(&conditions(&[full, ready])).unwrap();
        assert_eq!(why, "DiskPressure: kubelet has disk pressure");
        let silent = ("Ready", "Unknown", "Kubelet stopped posting node status.");
        let why = why_not(&conditions(&[full, silent])).unwrap();
        assert_eq!(why, "Kubelet stopped posting node status.");
        assert!(why_not(&[]).unwrap().contains("not reported yet"));
    }
}
