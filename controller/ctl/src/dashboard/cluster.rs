//! A deployment's cluster and its functions at one moment.

use super::exposition::{Metric, metrics};
use crate::{deploy::execution_models::FUNCTION_NAMESPACE, session::Session};
use continuum_cluster::{client, kubeconfig_path, look, scrape, usage};
use continuum_dashboard::{ClusterView, FunctionLook};
use continuum_host::error::{Error, chain};
use continuum_model::{ClusterLook, Role, node_name};
use std::collections::BTreeMap;

/// Where a gateway is, and where it tells Prometheus what it counts.
const GATEWAY_NAMESPACE: &str = "openfaas";
const METRICS_PORT: u16 = 8082;

/// `None` = there is no cluster, or not yet.
pub(super) async fn cluster(session: &Session) -> Option<ClusterView> {
    kubeconfig_path(&session.deployment)
        .exists()
        .then_some(())?;
    let mut view = ClusterView::default();
    if let Err(error) = looks(session, &mut view).await {
        view.trouble.push(chain(&error));
    }
    Some(view)
}

async fn looks(session: &Session, view: &mut ClusterView) -> Result<(), Error> {
    let client = client(&session.deployment, &session.plan)?;
    view.look = look(&client).await?;
    if session.plan.execution_model.is_none() {
        return Ok(());
    }
    let workers = session.plan.nodes.iter().filter(|n| n.role == Role::Worker);
    let workers: Vec<String> = workers.map(|node| node_name(&node.name)).collect();
    let used = usage::by_function(&client, &workers, FUNCTION_NAMESPACE).await;
    let mut text = String::new();
    for gateway in &view.look.gateways {
        match scrape(&client, GATEWAY_NAMESPACE, gateway, METRICS_PORT).await {
            Ok(more) => text.push_str(&more),
            Err(error) => view.trouble.push(chain(&error)),
        }
    }
    view.functions = functions(&text, &view.look, &used);
    Ok(())
}

/// Every function that the gateway or the cluster knows.
fn functions(
    text: &str,
    look: &ClusterLook,
    used: &BTreeMap<String, usage::Used>,
) -> Vec<FunctionLook> {
    let mut all: BTreeMap<String, FunctionLook> = BTreeMap::new();
    for metric in metrics(text) {
        let full = metric.label("function_name");
        if full.is_empty() {
            continue;
        }
        let name = full.strip_suffix(&format!(".{FUNCTION_NAMESPACE}"));
        let name = name.unwrap_or(full).to_owned();
        add(all.entry(name).or_default(), &metric);
    }
    for (name, available) in &look.available {
        all.entry(name.clone()).or_default().available = *available;
    }
    let looks = all.into_iter().map(|(name, function)| {
        let used = used.get(&name);
        FunctionLook {
            cpu_cores: used.map(|u| u.cpu_cores),
            memory_bytes: used.map(|u| u.memory_bytes),
            name,
            ..function
        }
    });
    looks.collect()
}

fn add(function: &mut FunctionLook, metric: &Metric<'_>) {
    // Counts of Prometheus are whole numbers and not below zero.
    let count = metric.value.max(0.0) as u64;
    match metric.name {
        "gateway_function_invocation_total" => {
            let code = metric.label("code").to_owned();
            *function.calls.entry(code).or_default() += count;
        }
        "gateway_function_invocation_inflight" => function.in_flight += count,
        "gateway_service_count" => function.replicas = count,
        "gateway_function_cold_starts_total" => function.cold_starts += count,
        "gateway_functions_seconds_sum" => function.seconds += metric.value,
        "gateway_functions_seconds_bucket" => {
            // `+Inf` is read as it is written.
            if let Ok(most_s) = metric.label("le").parse() {
                function.add_bucket(most_s, count);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_what_gateway_cluster_and_kubelets_say_of_it() {
        let text = r#"gateway_function_invocation_total{code="200",function_name="io.openfaas-fn"} 7
gateway_function_invocation_total{code="500",function_name="io.openfaas-fn"} 1
gateway_function_invocation_inflight{function_name="io.openfaas-fn"} 2
gateway_function_cold_starts_total{function_name="io.openfaas-fn"} 1
gateway_service_count{function_name="io.openfaas-fn"} 3
gateway_functions_seconds_bucket{code="200",function_name="io.openfaas-fn",le="0.5"} 6
gateway_functions_seconds_bucket{code="200",function_name="io.openfaas-fn",le="+Inf"} 7
gateway_functions_seconds_bucket{code="500",function_name="io.openfaas-fn",le="0.5"} 0
gateway_functions_seconds_bucket{code="500",function_name="io.openfaas-fn",le="+Inf"} 1
gateway_functions_seconds_sum{code="200",function_name="io.openfaas-fn"} 2.5
gateway_functions_seconds_sum{code="500",function_name="io.openfaas-fn"} 0.5
provider_http_requests_total{code="200",method="GET",path="/"} 9
"#;
        let look = ClusterLook {
            available: BTreeMap::from([("io".into(), 2), ("image".into(), 1)]),
            ..ClusterLook::default()
        };
        let used = usage::Used {
            cpu_cores: 0.5,
            memory_bytes: 1000,
        };
        let seen = functions(text, &look, &BTreeMap::from([("io".into(), used)]));
        let io = FunctionLook {
            name: "io".into(),
            replicas: 3,
            available: 2,
            cpu_cores: Some(0.5),
            memory_bytes: Some(1000),
            in_flight: 2,
            calls: BTreeMap::from([("200".into(), 7), ("500".into(), 1)]),
            cold_starts: 1,
            seconds: 3.0,
            buckets: vec![(0.5, 6), (f64::INFINITY, 8)],
        };
        let image = FunctionLook {
            name: "image".into(),
            available: 1,
            ..FunctionLook::default()
        };
        assert_eq!(seen, [image, io]);
    }
}
