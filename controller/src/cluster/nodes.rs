//! Which nodes of a cluster are ready, and why others are not.

use super::ASK_DEADLINE;
use crate::{error::Error, managers::node_name, plan::Plan, provider::Context};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, api::ListParams};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// For nodes to become ready after they have joined.
const READY_DEADLINE: Duration = Duration::from_mins(8);
const READY_EVERY: Duration = Duration::from_secs(1);

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
            .and_then(|s| s.conditions.as_ref());
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|c| c.type_ == "Ready");
        match ready {
            Some(condition) if condition.status == "True" => {}
            Some(condition) => {
                unready.insert(name, condition.message.clone().unwrap_or_default());
            }
            None => {
                unready.insert(name, "it has not reported yet".to_owned());
            }
        }
    }
    unready
}

/// Waits until every node of the plan is ready.
pub async fn wait_ready(context: &Context, client: &Client, plan: &Plan) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let deadline = Instant::now() + READY_DEADLINE;
    let mut said = String::new();
    loop {
        let parameters = ListParams::default();
        let listed = tokio::time::timeout(ASK_DEADLINE, nodes.list(&parameters)).await;
        let last = match listed {
            Ok(Ok(list)) => {
                let unready = unready(plan, &list.items);
                if unready.is_empty() {
                    return Ok(());
                }
                let why = unready.iter().map(|(node, why)| format!("{node}: {why}"));
                why.collect::<Vec<_>>().join("; ")
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer from the API server".to_owned(),
        };
        if last != said {
            context.progress.say(&format!("not ready: {last}"));
            said.clone_from(&last);
        }
        if Instant::now() > deadline {
            return Err(Error::Deadline {
                what: "all nodes of the cluster to be ready".into(),
                after: READY_DEADLINE,
                last,
            });
        }
        tokio::time::sleep(READY_EVERY).await;
    }
}

/// Nodes that are not ready now, with why; asked once.
pub async fn unready_now(client: &Client, plan: &Plan) -> Result<BTreeMap<String, String>, Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let failed = |why: String| Error::other("look at the cluster's nodes", why);
    let parameters = ListParams::default();
    let listed = tokio::time::timeout(ASK_DEADLINE, nodes.list(&parameters)).await;
    let list = listed.map_err(|_| failed("no answer".into()))?;
    Ok(unready(
        plan,
        &list.map_err(|e| failed(e.to_string()))?.items,
    ))
}

/// Fails with every node that is not ready now.
pub async fn check_ready(name: &str, client: &Client, plan: &Plan) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let parameters = ListParams::default();
    let list = super::run::ask("look at the cluster's nodes", || nodes.list(&parameters)).await?;
    let unready = unready(plan, &list.items);
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
pub async fn versions(client: &Client) -> Result<Vec<(String, String)>, Error> {
    let server = super::run::ask("ask the API server for its version", || {
        client.apiserver_version()
    })
    .await?;
    let mut all = vec![(
        "running kube-apiserver".to_owned(),
        format!("{} {}", server.git_version, server.go_version),
    )];
    let nodes: Api<Node> = Api::all(client.clone());
    let parameters = ListParams::default();
    let list = super::run::ask("look at the cluster's nodes", || nodes.list(&parameters)).await?;
    for node in list.items {
        let info = node.status.and_then(|s| s.node_info);
        if let (Some(name), Some(info)) = (node.metadata.name, info) {
            let text = format!(
                "kubelet {}, {}, kernel {}, {}",
                info.kubelet_version,
                info.container_runtime_version,
                info.kernel_version,
                info.os_image
            );
            all.push((format!("running {name}"), text));
        }
    }
    Ok(all)
}
