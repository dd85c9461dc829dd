//! A cluster at one moment: nodes, pods and what it has to say of them. For who looks on.

use super::{
    ask::{ask_once, list_once},
    error::ClusterError,
    nodes,
    pod::{self, PodState},
};
use continuum_host::error::Error;
use continuum_model::{ClusterEvent, ClusterLook, ClusterNode, NamespacePods, RunExit};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::Client;
use std::collections::BTreeMap;

/// More are found with `kubectl get events`.
const EVENTS: usize = 50;
/// Namespace and label of a gateway for functions.
const GATEWAY: (&str, &str) = ("openfaas", "gateway");
/// What pods of functions carry the function's name in.
const FUNCTION: &str = "faas_function";

/// Asks once.
pub async fn look(client: &Client) -> Result<ClusterLook, Error> {
    let all = async {
        tokio::try_join!(
            list_once::<Node>(client),
            list_once::<Pod>(client),
            list_once::<Event>(client)
        )
    };
    let (nodes, pods, events) = all.await.map_err(ClusterError::Look)?;
    Ok(of(&nodes, &pods, events))
}

fn of(nodes: &[Node], pods: &[Pod], events: Vec<Event>) -> ClusterLook {
    let mut events: Vec<ClusterEvent> = events.into_iter().map(event).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.time_unix_ms));
    events.truncate(EVENTS);
    let mut look = ClusterLook {
        nodes: nodes.iter().map(|found| node(found, pods)).collect(),
        events,
        ..ClusterLook::default()
    };
    let mut namespaces: BTreeMap<&str, NamespacePods> = BTreeMap::new();
    for one in pods {
        let namespace = one.metadata.namespace.as_deref().unwrap_or_default();
        add(namespaces.entry(namespace).or_default(), one);
        if (namespace, label(one, "app")) == (GATEWAY.0, Some(GATEWAY.1)) {
            look.gateways.push(pod::name(one).to_owned());
        }
        if let Some(function) = label(one, FUNCTION) {
            let available = look.available.entry(function.to_owned()).or_default();
            *available += u64::from(is_ready(one));
        }
    }
    look.namespaces = namespaces
        .into_iter()
        .map(|(namespace, pods)| NamespacePods {
            namespace: namespace.to_owned(),
            ..pods
        })
        .collect();
    look
}

fn label<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let labels = pod.metadata.labels.as_ref()?;
    labels.get(name).map(String::as_str)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|c| c.type_ == "Ready" && c.status == "True")
}

fn node(node: &Node, pods: &[Pod]) -> ClusterNode {
    let name = node.metadata.name.clone().unwrap_or_default();
    let status = node.status.as_ref();
    let conditions = status.and_then(|s| s.conditions.as_deref());
    let info = status.and_then(|s| s.node_info.as_ref());
    let is_here = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        spec.and_then(|s| s.node_name.as_ref()) == Some(&name)
    };
    ClusterNode {
        why_not: nodes::why_not(conditions.unwrap_or_default()),
        version: info.map_or_else(String::new, |i| i.kubelet_version.clone()),
        pods: pods.iter().filter(is_here).count() as u64,
        name,
    }
}

fn add(namespace: &mut NamespacePods, pod: &Pod) {
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.as_deref()).unwrap_or("Unknown");
    *namespace.phases.entry(phase.to_owned()).or_default() += 1;
    let containers = status.and_then(|s| s.container_statuses.as_deref());
    let restarts = containers.unwrap_or_default().iter();
    let restarts = restarts.map(|c| u64::try_from(c.restart_count).unwrap_or(0));
    namespace.restarts += restarts.sum::<u64>();
    if let Some(why) = why_not_running(pod) {
        let name = pod::name(pod).to_owned();
        namespace.not_running.push((name, why));
    }
}

/// `None` = it runs, or has done what it was for.
fn why_not_running(pod: &Pod) -> Option<String> {
    match pod::state(pod, None) {
        PodState::Running | PodState::Ended(RunExit { code: Some(0), .. }) => None,
        PodState::Waiting { why, .. } => Some(why),
        PodState::Ended(exit) if exit.oom_kills > 0 => {
            Some("it needed more memory than it was given".into())
        }
        PodState::Ended(RunExit {
            code: Some(code),
            reason,
            ..
        }) if reason.is_empty() => Some(format!("exit code {code}")),
        PodState::Ended(exit) => Some(exit.reason),
    }
}

fn event(event: Event) -> ClusterEvent {
    let at = event.last_timestamp.as_ref().map(|t| t.0.as_millisecond());
    let at = at.or_else(|| event.event_time.as_ref().map(|t| t.0.as_millisecond()));
    let created = event.metadata.creation_timestamp.as_ref();
    let at = at.or_else(|| created.map(|t| t.0.as_millisecond()));
    let about = event.involved_object;
    let words = [about.namespace, about.name].into_iter().flatten();
    let path = words.collect::<Vec<_>>().join("/");
    ClusterEvent {
        time_unix_ms: at.unwrap_or_default(),
        is_warning: event.type_.as_deref() == Some("Warning"),
        about: format!("{} {path}", about.kind.unwrap_or_default()),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        count: event.count.and_then(|n| u64::try_from(n).ok()).unwrap_or(1),
    }
}

/// What Prometheus would read of a pod.
pub async fn scrape(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<String, Error> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics");
    let asked = async {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        client.request_text(request).await
    };
    let scraped = ask_once(asked)
        .await
        .map_err(|source| ClusterError::Scrape {
            pod: format!("{namespace}/{pod}"),
            source,
        });
    Ok(scraped?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn pod(namespace: &str, name: &str, labels: &Value, status: &Value) -> Pod {
        let pod = json!({
            "metadata": { "namespace": namespace, "name": name, "labels": labels },
            "spec": { "nodeName": "cloud0", "containers": [] },
            "status": status,
        });
        from_value(pod).unwrap()
    }

    fn running(restarts: u32) -> Value {
        json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }], "containerStatuses": [{
            "name": "c", "ready": true, "restartCount": restarts, "image": "i", "imageID": "", "state": { "running": {} },
        }] })
    }

    #[test]
    fn pods_are_counted_by_namespace_node_and_function() {
        let waits = json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "Insufficient cpu" },
        ] });
        let function = json!({ "faas_function": "io" });
        let pods = [
            pod(
                "openfaas",
                "gateway-1",
                &json!({ "app": "gateway" }),
                &running(2),
            ),
            pod("openfaas-fn", "io-1", &function, &running(0)),
            pod("openfaas-fn", "io-2", &function, &waits),
        ];
        let node: Node = from_value(json!({ "metadata": { "name": "cloud0" }, "status": {
            "conditions": [{ "type": "Ready", "status": "True" }] } }))
        .unwrap();
        let seen = of(&[node], &pods, Vec::new());
        let node = &seen.nodes[0];
        assert_eq!(
            (&*node.name, &node.why_not, node.pods),
            ("cloud0", &None, 3)
        );
        assert_eq!(seen.gateways, ["gateway-1"]);
        assert_eq!(seen.available, BTreeMap::from([("io".to_owned(), 1)]));
        let [gateway, functions] = &seen.namespaces[..] else {
            panic!("{:?}", seen.namespaces)
        };
        assert_eq!((&*gateway.namespace, gateway.restarts), ("openfaas", 2));
        let phases = [("Pending".to_owned(), 1), ("Running".to_owned(), 1)];
        assert_eq!(functions.phases, BTreeMap::from(phases));
        let why = "no node takes it: Insufficient cpu";
        assert_eq!(functions.not_running, [("io-2".to_owned(), why.to_owned())]);
    }

    #[test]
    fn the_newest_events_are_told_first() {
        let event = |name: &str, at: &str| -> Event {
            from_value(json!({
                "metadata": { "name": name }, "type": "Warning", "reason": "BackOff", "message": name, "count": 3,
                "lastTimestamp": at, "involvedObject": { "kind": "Pod", "namespace": "openfaas-fn", "name": "io-1" },
            }))
            .unwrap()
        };
        let events = vec![
            event("old", "2026-01-01T00:00:00Z"),
            event("new", "2026-01-01T00:00:07Z"),
        ];
        let seen = of(&[], &[], events).events;
        let words: Vec<&str> = seen.iter().map(|e| &*e.message).collect();
        assert_eq!(words, ["new", "old"]);
        let newest = &seen[0];
        assert_eq!((&*newest.about, newest.count), ("Pod openfaas-fn/io-1", 3));
        assert!(newest.is_warning);
        assert_eq!(newest.time_unix_ms - seen[1].time_unix_ms, 7000);
    }
}
