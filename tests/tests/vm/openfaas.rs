//! Functions on a real cluster, behind the gateway.

use crate::{
    cluster::Cluster,
    fixture::VmFixture,
    kubernetes,
    table::{Body, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

const PHOTOS: usize = 6;
const SET: [&str; 4] = [
    "--set",
    "benchmark.frequency=0.2",
    "--set",
    "benchmark.duration_s=30",
];
/// Calls of a function that waits, in open loop: three in a second.
const CALLS: [&str; 8] = [
    "--set",
    "benchmark.application=functions",
    "--set",
    "benchmark.functions=[\"sleep 3 {\\\"ms\\\": 200}\"]",
    "--set",
    "benchmark.worker_cores=0.2",
    "--set",
    "benchmark.worker_memory_mib=64",
];
const CALLS_PER_S: usize = 3;
/// How long calls go on. A new replica takes a minute and more where emulation is slow.
fn load_s(cluster: &Cluster, emulated: usize) -> usize {
    if cluster.vms.is_slow() { emulated } else { 30 }
}
const BENCH: Duration = Duration::from_mins(8);
const GATEWAY: &str = "continuum-gateway";

pub(crate) const NEEDS: &[Need] = &[Need::Kubernetes, Need::Functions];

const fn on_the_cluster(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, NEEDS, Body::With(&kubernetes::CLUSTER, run))
}

/// Functions come on top of a cluster that is up.
pub(crate) const ON_THE_CLUSTER: [Test; 7] = [
    on_the_cluster("openfaas::a_cluster_without_it_takes_no_bench", not_yet),
    on_the_cluster("openfaas::it_comes_on_top_of_a_cluster_that_is_up", on_top),
    on_the_cluster("openfaas::each_function_of_the_suite_answers", suite),
    on_the_cluster("openfaas::what_cannot_be_called_says_why", refused_calls),
    on_the_cluster(
        "openfaas::a_call_of_nothing_brings_a_replica",
        zero_and_back,
    ),
    on_the_cluster(
        "openfaas::an_update_under_load_loses_no_call",
        update_under_load,
    ),
    on_the_cluster(
        "openfaas::a_killed_gateway_loses_no_call_that_comes_later",
        killed_gateway,
    ),
];

/// Of a cluster of its own.
pub(crate) const TESTS: [Test; 1] = [Test::new(
    "openfaas::photos_come_over_the_links_of_an_edge",
    NEEDS,
    Body::Alone(edge),
)
.on(When::Long, When::Long)];

/// The example as it is, but for the name and the endpoint's memory, which are those of the cluster that is there.
fn own(cluster: &Cluster) -> Vec<String> {
    let mut own = vec![example("openfaas-cloud.cfg")];
    let name = format!("name={}", cluster.name);
    for value in [&*name, "infrastructure.endpoint.memory_mib=2048"] {
        own.extend(["--set".to_owned(), value.to_owned()]);
    }
    own.extend(SET.map(str::to_owned));
    own
}

fn command(words: &[&str], own: &[String], rest: &[&str]) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    [owned(words), own.to_vec(), owned(rest)].concat()
}

fn words(argv: &[String]) -> Vec<&str> {
    argv.iter().map(String::as_str).collect()
}

/// The gateway is there, from an earlier test or by now.
fn with_functions(cluster: &Cluster) -> anyhow::Result<()> {
    let up = command(&["up"], &own(cluster), &[]);
    cluster.ctl.expect(0, &words(&up)).map(|_| ())
}

fn not_yet(cluster: &Cluster) -> anyhow::Result<()> {
    let bench = command(&["bench"], &own(cluster), &[]);
    let said = cluster.ctl.refused(5, &words(&bench))?;
    ensure!(said.contains("it has no openfaas yet"), "{said}");
    Ok(())
}

/// Photos through a function, on the same nodes as before.
fn on_top(cluster: &Cluster) -> anyhow::Result<()> {
    let (dir, text) = cluster.vms.results("openfaas");
    let nodes = || cluster.kubectl(&["get", "nodes", "--output=jsonpath={.items[*].metadata.uid}"]);
    let before = nodes()?;
    let own = own(cluster);
    let run = command(&["run"], &own, &["--results", &text]);
    let out = cluster.ctl.expect(0, &words(&run))?;
    ensure!(nodes()? == before, "other nodes than before");
    for part in [
        "ENDPOINT OUTPUT",
        "latency_stdev (ms)",
        "FUNCTION OUTPUT",
        "cold_starts",
    ] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    let dir = results::only_result(&dir)?;
    results::check(&dir, PHOTOS)?;
    let result = results::json(&dir)?;
    eprintln!("stages {}", result["stage_times"]);
    eprintln!(
        "{}",
        out.split("ENDPOINT OUTPUT").nth(1).unwrap_or_default()
    );
    ensure!(
        result["facts"]["openfaas gateway"] == "continuum 0.1.0",
        "{}",
        result["facts"]
    );
    over_time(&dir)?;
    let again = cluster
        .ctl
        .expect(0, &words(&command(&["up"], &own, &[])))?;
    ensure!(again.contains("nothing was changed"), "{again}");
    Ok(())
}

fn update_under_load(cluster: &Cluster) -> anyhow::Result<()> {
    let duration_s = load_s(cluster, 110);
    let calls = under_load(cluster, ("update", duration_s), |cluster| {
        let functions = ["functions", &*cluster.name, "deploy", "sleep"];
        let changed = ["--env", "changed=1"];
        cluster.ctl.expect(0, &[&functions[..], &changed].concat())
    })?;
    let pods: BTreeSet<&str> = calls.iter().map(|c| &*c.pod).collect();
    let failed = calls.iter().filter(|c| c.status != "200").count();
    eprintln!(
        "update under load: {} calls, {failed} failed, by {pods:?}",
        calls.len()
    );
    ensure!(
        failed == 0 && pods.len() >= 2,
        "{failed} calls failed; answered by {pods:?}"
    );
    Ok(())
}

fn killed_gateway(cluster: &Cluster) -> anyhow::Result<()> {
    let duration_s = load_s(cluster, 50);
    let calls = under_load(cluster, ("gateway", duration_s), |cluster| {
        let pid = cluster.on("cloud_controller", &["pidof", GATEWAY])?;
        cluster.on("cloud_controller", &["kill", "-9", pid.trim()])
    })?;
    let failed = calls.iter().filter(|c| c.status != "200").count();
    eprintln!(
        "gateway killed under load: {} calls, {failed} failed",
        calls.len()
    );
    // Those in flight, and no other: each takes 0.2 s, and three begin in a second.
    ensure!(failed <= 5, "{failed} of {} failed", calls.len());
    Ok(())
}

/// The example with the links of an edge, as upstream's last tutorial config has them.
fn edge(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let cluster = Cluster::new(vms, "openfaas-edge");
    let config = example("openfaas-edge.cfg");
    let (dir, text) = vms.results("openfaas-edge");
    let run = [&["run", &*config], &SET[..], &["--results", &text]].concat();
    let out = cluster.ctl.expect(0, &run)?;
    for part in ["ENDPOINT OUTPUT", "FUNCTION OUTPUT", "START OUTPUT"] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    results::check(&results::only_result(&dir)?, PHOTOS)?;
    cluster.ctl.expect(0, &["down", &config])?;
    vms.check_nothing_left()
}

/// Replicas, CPU and memory were seen while photos were classified.
fn over_time(dir: &Path) -> anyhow::Result<()> {
    let rows = results::rows(dir, "functions.csv")?;
    for column in ["available", "cpu_cores", "memory_bytes"] {
        let seen = rows.iter().filter_map(|r| r.number::<f64>(column).ok());
        ensure!(seen.fold(0.0, f64::max) > 0.0, "no {column} in {rows:?}");
    }
    let calls = calls(dir)?;
    ensure!(calls.len() == PHOTOS, "{} calls", calls.len());
    Ok(())
}

pub(crate) fn functions(cluster: &Cluster, arguments: &[&str]) -> anyhow::Result<Value> {
    let command = ["functions", &*cluster.name];
    cluster.ctl.json(0, &[&command[..], arguments].concat())
}

/// Each function of the suite is deployed, called, and says what it did.
fn suite(cluster: &Cluster) -> anyhow::Result<()> {
    with_functions(cluster)?;
    for (name, parameters, field, want) in [
        ("fibonacci", r#"{"n":20}"#, "value", json!(6765)),
        ("io", r#"{"mib":1}"#, "read_bytes", json!(1 << 20)),
        ("matrix", r#"{"size":3}"#, "trace", json!(6.0)),
        ("memory", r#"{"mib":4,"passes":1}"#, "sum", json!(3072)),
        ("sleep", r#"{"ms":10}"#, "ms", json!(10)),
    ] {
        functions(cluster, &["deploy", name])?;
        let answer = functions(cluster, &["invoke", name, "--data", parameters])?;
        let body = answer["body"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(body).with_context(|| format!("{answer}"))?;
        ensure!(body["result"][field] == want, "{body}");
        eprintln!(
            "{name}: {} ms, {answer}",
            body["duration_ns"].as_f64().unwrap_or_default() / 1e6
        );
    }
    // That of the photos may be there too.
    let list = functions(cluster, &["list"])?;
    ensure!(
        list["functions"].as_array().is_some_and(|l| l.len() >= 5),
        "{list}"
    );
    Ok(())
}

/// A function that fails, and one that is not there.
fn refused_calls(cluster: &Cluster) -> anyhow::Result<()> {
    with_functions(cluster)?;
    functions(cluster, &["deploy", "fibonacci"])?;
    let bad = [
        "functions",
        &cluster.name,
        "invoke",
        "fibonacci",
        "--data",
        "{\"n\":99}",
    ];
    let said = cluster.ctl.refused(1, &bad)?;
    ensure!(said.contains("500"), "{said}");
    let logs = cluster
        .ctl
        .expect(0, &["functions", &cluster.name, "logs", "fibonacci"])?;
    ensure!(
        logs.contains("Forking fprocess - continuum-function run fibonacci")
            && logs.contains("parameter n is 99"),
        "{logs}"
    );
    let said = cluster
        .ctl
        .refused(1, &["functions", &cluster.name, "invoke", "nobody"])?;
    ensure!(said.contains("404"), "{said}");
    Ok(())
}

/// A call of a function without replicas is held until there is one.
fn zero_and_back(cluster: &Cluster) -> anyhow::Result<()> {
    with_functions(cluster)?;
    functions(cluster, &["deploy", "fibonacci"])?;
    functions(cluster, &["invoke", "fibonacci", "--data", "{\"n\":10}"])?;
    functions(cluster, &["scale", "fibonacci", "0"])?;
    let gone = [
        "--namespace=openfaas-fn",
        "--timeout=120s",
        "--for=delete",
        "pod",
    ];
    let gone = [
        &["wait"],
        &gone[..],
        &["--selector=faas_function=fibonacci"],
    ]
    .concat();
    cluster.kubectl(&gone)?;
    let cold = functions(cluster, &["invoke", "fibonacci", "--data", "{\"n\":10}"])?;
    let warm = functions(cluster, &["invoke", "fibonacci", "--data", "{\"n\":10}"])?;
    ensure!(
        cold["is_cold"] == true && warm["is_cold"] == false,
        "{cold} {warm}"
    );
    Ok(())
}

pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) status: String,
    pub(crate) pod: String,
    pub(crate) is_cold: bool,
    pub(crate) begun_ns: i64,
    pub(crate) answered_ns: i64,
}

/// Those that a result has, by function and number.
pub(crate) fn calls(dir: &Path) -> anyhow::Result<Vec<Call>> {
    let call = |row: results::Row| {
        Ok(Call {
            function: row.text("function")?.to_owned(),
            status: row.text("status")?.to_owned(),
            pod: row.text("pod")?.to_owned(),
            is_cold: row.text("is_cold")? == "1",
            begun_ns: row.number("begun_ns")?,
            answered_ns: row.number("answered_ns")?,
        })
    };
    let rows = results::rows(dir, "calls.csv")?;
    rows.into_iter().map(call).collect()
}

/// Does something in the middle of a bench of so many seconds; returns the calls that were made.
fn under_load<T>(
    cluster: &Cluster,
    (name, duration_s): (&str, usize),
    act: impl FnOnce(&Cluster) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Call>> {
    let (dir, text) = cluster.vms.results(&format!("load-{name}"));
    let duration = format!("benchmark.duration_s={duration_s}");
    with_functions(cluster)?;
    let rest = [&CALLS[..], &["--set", &duration, "--results", &text]].concat();
    let arguments = command(&["bench"], &own(cluster), &rest);
    let mut run = cluster.ctl.start(name, &words(&arguments))?;
    run.wait_for_answers(30, BENCH)?;
    act(cluster)?;
    let code = run.wait(BENCH)?;
    let calls = calls(&results::only_result(&dir)?)?;
    let failed = calls.iter().filter(|c| c.status != "200").count();
    // With more than one in a hundred the result is invalid.
    let wanted = if 100 * failed > calls.len() { 6 } else { 0 };
    ensure!(
        code == wanted,
        "exit {code}, {failed} failed: {}",
        run.said()
    );
    // Answered or failed: none is forgotten.
    let sent = CALLS_PER_S * duration_s;
    ensure!(calls.len() == sent, "{} of {sent} calls", calls.len());
    Ok(calls)
}
