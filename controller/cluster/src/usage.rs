//! CPU and memory of functions, as kubelets count them.

use super::ASK_DEADLINE;
use kube::Client;
use serde_json::Value;
use std::collections::BTreeMap;

/// What all replicas of a function use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Cores, over the kubelet's own last period.
    pub cpu_cores: f64,
    /// Working set.
    pub memory_bytes: u64,
}

/// By function of a namespace; a node that does not answer has none.
pub async fn by_function(
    client: &Client,
    nodes: &[String],
    namespace: &str,
) -> BTreeMap<String, Used> {
    let mut all = BTreeMap::new();
    for node in nodes {
        let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
        let Ok(request) = http::Request::get(path).body(Vec::new()) else {
            continue;
        };
        let asked = tokio::time::timeout(ASK_DEADLINE, client.request::<Value>(request)).await;
        if let Ok(Ok(summary)) = asked {
            add(&summary, namespace, &mut all);
        }
    }
    all
}

fn add(summary: &Value, namespace: &str, all: &mut BTreeMap<String, Used>) {
    let pods = summary["pods"].as_array().into_iter().flatten();
    for pod in pods.filter(|p| p["podRef"]["namespace"] == namespace) {
        // NAME-TEMPLATE-POD: names of functions may have dashes of their own.
        let name = pod["podRef"]["name"].as_str().unwrap_or_default();
        let function = name.rsplitn(3, '-').nth(2).unwrap_or(name);
        let used: &mut Used = all.entry(function.to_owned()).or_default();
        used.cpu_cores += pod["cpu"]["usageNanoCores"].as_f64().unwrap_or_default() / 1e9;
        used.memory_bytes += pod["memory"]["workingSetBytes"]
            .as_u64()
            .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replicas_of_a_function_are_counted_together() {
        let pod = |namespace: &str, name: &str| {
            json!({ "podRef": { "namespace": namespace, "name": name },
                "cpu": { "usageNanoCores": 250_000_000 }, "memory": { "workingSetBytes": 1000 } })
        };
        let summary = json!({ "pods": [
            pod("openfaas-fn", "my-image-7d9f-abcde"),
            pod("openfaas-fn", "my-image-7d9f-fghij"),
            pod("kube-system", "coredns-1-2"),
        ] });
        let mut all = BTreeMap::new();
        add(&summary, "openfaas-fn", &mut all);
        assert_eq!(all.len(), 1);
        assert_eq!(
            all["my-image"],
            Used {
                cpu_cores: 0.5,
                memory_bytes: 2000
            }
        );
    }
}
