//! What Prometheus makes of the gateway's metrics: names, and the dashboards for Grafana that are about functions.

use crate::{
    fixture::Fixture,
    function::{self, closure, text},
    usage::{Kubelet, NO_ADDRESS},
};
use anyhow::ensure;
use continuum_tests::{
    prometheus::{Expression, Prometheus, complaints, expressions},
    skip,
};
use http::StatusCode;
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Names that are OpenFaaS's, and not as Prometheus would have them.
const OF_OPENFAAS: [&str; 3] = [
    "gateway_function_invocation_started",
    "gateway_service_count",
    "gateway_service_ready_count",
];
/// What the dashboard of a deployment says while a run goes on.
const RUN: &str =
    "# TYPE continuum_run_running gauge\ncontinuum_run_running{application=\"functions\"} 1\n";

pub(crate) fn data(fixture: &Fixture) -> anyhow::Result<()> {
    if let Some(why) = skip::prometheus() {
        eprintln!("skipped: dashboards of functions: {why}");
        return Ok(());
    }
    fixture.deploy("drawn", &[("min", "1")])?;
    let _replica = fixture.replica("drawn", "drawn-1", closure(|_, _| text("here")))?;
    let Some(kubelet) = Kubelet::start(fixture, "drawn-1")? else {
        eprintln!("skipped: dashboards of functions: {NO_ADDRESS}");
        return Ok(());
    };
    let run = fixture.address();
    let port = crate::cluster::free_port()?;
    let started = function::start(run, port, closure(|_, _| text(RUN)));
    let _run = fixture.runtime.block_on(started)?;
    let job = |name: &str, target: String| {
        let targets = [json!({ "targets": [target], "labels": { "deployment": "lab" } })];
        json!({ "job_name": name, "static_configs": targets })
    };
    let jobs = json!([
        job("gateway", fixture.metrics.clone()),
        job("continuum", format!("{run}:{port}")),
    ]);
    let dir = tempfile::tempdir()?;
    let prometheus = Prometheus::start(dir.path(), &jobs)?;
    let dashboards = ["function-dashboard-ds2022.json", "logs-fibonacchi.json"];
    let all = dashboards.map(expressions);
    let all: Vec<Vec<Expression>> = all.into_iter().collect::<anyhow::Result<_>>()?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let answer = fixture.get("/function/drawn")?;
                ensure!(answer.status == StatusCode::OK, "{answer:?}");
                kubelet.work(Duration::from_millis(10));
                continuum_tests::process::pause();
            }
            Ok(())
        });
        let seen = prometheus.wait_for_data(&all.concat());
        is_over.store(true, Ordering::Relaxed);
        calls
            .join()
            .map_err(|_| anyhow::anyhow!("calls panicked"))??;
        seen
    })?;
    let metrics = fixture.get("/metrics")?.text();
    let is_ours = |line: &String| !OF_OPENFAAS.iter().any(|name| line.starts_with(name));
    let complaints: Vec<String> = complaints(&format!("{metrics}\n"))?
        .into_iter()
        .filter(is_ours)
        .collect();
    ensure!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}
