//! What the metrics say of replicas, and of what they use.

use crate::fixture::{Fixture, NAMESPACE, NODE};
use anyhow::{Context, ensure};
use continuum_tests::tls_server;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    net::{IpAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What the pod had used before anybody asked.
const EARLIER_NS: u64 = 1_000_000_000;
const MEMORY_BYTES: u32 = 7 << 20;
pub(crate) const NO_ADDRESS: &str =
    "this machine has no address but loopback's, where no kubelet may be";
const LABELS: &str = r#"{function_name="busy.openfaas-fn",namespace="openfaas-fn"}"#;

/// An address of this machine that is not of loopback, where no API server takes a kubelet to be.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: it only asks for the way.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}

/// A node with a server that says what a kubelet says of one pod, and nothing else; gone when it is dropped.
pub(crate) struct Kubelet<'a> {
    fixture: &'a Fixture,
    cpu_ns: Arc<AtomicU64>,
}

impl<'a> Kubelet<'a> {
    /// `None` = this machine has no address for it.
    pub(crate) fn start(fixture: &'a Fixture, pod: &'static str) -> anyhow::Result<Option<Self>> {
        let Some(address) = own_address() else {
            return Ok(None);
        };
        let cpu_ns = Arc::new(AtomicU64::new(EARLIER_NS));
        let counted = Arc::clone(&cpu_ns);
        let answer = move |request: &str| {
            if !request.starts_with("GET /stats/summary?only_cpu_and_memory=true ") {
                let nothing = "content-length: 0\r\nconnection: close\r\n\r\n";
                return format!("HTTP/1.1 404 Not Found\r\n{nothing}");
            }
            let pod = json!({
                "podRef": { "name": pod, "namespace": NAMESPACE, "uid": "1" },
                "cpu": { "usageNanoCores": 1, "usageCoreNanoSeconds": counted.load(Ordering::Relaxed) },
                "memory": { "workingSetBytes": MEMORY_BYTES },
            });
            let body = json!({ "node": { "nodeName": NODE }, "pods": [pod] }).to_string();
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
        };
        let (listening_at, _) = tls_server::start(address, answer)?;
        let status = json!({ "status": {
            "addresses": [{ "type": "InternalIP", "address": address.to_string() }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": listening_at.port() } },
        } });
        let node = serde_json::from_value(json!({ "metadata": { "name": NODE } }))?;
        let kubelet = Self { fixture, cpu_ns };
        fixture.runtime.block_on(async {
            let nodes = kubelet.nodes();
            nodes.create(&PostParams::default(), &node).await?;
            let patch = Patch::Merge(&status);
            nodes
                .patch_status(NODE, &PatchParams::default(), &patch)
                .await
        })?;
        Ok(Some(kubelet))
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.fixture.admin.clone())
    }

    /// The pod has used so much more CPU time.
    pub(crate) fn work(&self, cpu: Duration) {
        let cpu_ns = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_ns.fetch_add(cpu_ns, Ordering::Relaxed);
    }
}

impl Drop for Kubelet<'_> {
    fn drop(&mut self) {
        let nodes = self.nodes();
        let how = DeleteParams::default();
        let gone = nodes.delete(NODE, &how);
        self.fixture.runtime.block_on(gone).ok();
    }
}

fn value(metrics: &str, series: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

pub(crate) fn told(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("busy", &[("min", "2"), ("max", "4"), ("target", "7.5")])?;
    fixture.ready_pod("busy", "busy-1", fixture.address())?;
    let metrics = || Ok::<_, anyhow::Error>(fixture.get("/metrics")?.text());
    Fixture::until("a replica to be ready", || {
        let series = r#"gateway_service_ready_count{function_name="busy.openfaas-fn"}"#;
        Ok(value(&metrics()?, series) == Some(1.0))
    })?;
    let seen = metrics()?;
    for line in [
        r#"gateway_service_count{function_name="busy.openfaas-fn"} 2"#,
        r#"gateway_service_min{function_name="busy.openfaas-fn"} 2"#,
        r#"gateway_service_target{function_name="busy.openfaas-fn"} 7.5"#,
    ] {
        ensure!(seen.contains(line), "`{line}` is not in:\n{seen}");
    }
    let Some(kubelet) = Kubelet::start(fixture, "busy-1")? else {
        eprintln!("skipped: what functions use: {NO_ADDRESS}");
        return Ok(());
    };
    let memory = format!("pod_memory_working_set_bytes{LABELS}");
    let cpu = format!("pod_cpu_usage_seconds_total{LABELS}");
    Fixture::until("the memory of a replica", || {
        Ok(value(&metrics()?, &memory) == Some(f64::from(MEMORY_BYTES)))
    })?;
    let before = value(&metrics()?, &cpu).context("CPU time of a function")?;
    kubelet.work(Duration::from_secs(2));
    Fixture::until("two more seconds of CPU time", || {
        Ok(value(&metrics()?, &cpu) == Some(before + 2.0))
    })?;
    // A node that is gone says nothing, and its last words are not repeated.
    drop(kubelet);
    Fixture::until("the memory to be unknown", || {
        Ok(value(&metrics()?, &memory).is_none())
    })
}
