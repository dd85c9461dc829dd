//! Functions on a real cluster, behind the gateway.

use crate::{bed::Bed, cluster::Cluster};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, time::Duration};

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
const UPDATE_S: usize = 110;
const KILL_S: usize = 50;
const BENCH: Duration = Duration::from_mins(8);
const GATEWAY: &str = "continuum-gateway";

/// The example as it is, but for the name and the endpoint's memory, which are those of the cluster that is there.
fn on_the_cluster(name: &str) -> [String; 4] {
    let set = "--set".to_owned();
    let memory = "infrastructure.endpoint.memory_mib=2048".to_owned();
    [set.clone(), format!("name={name}"), set, memory]
}

/// Functions come on top of a cluster that is up: photos through one, the suite, to zero and back, an update and a dead
/// gateway under load.
pub(crate) fn openfaas(cluster: &Cluster<'_>) -> anyhow::Result<()> {
    let config = example("openfaas-cloud.cfg");
    let there = on_the_cluster(cluster.name);
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let own = [&[&*config], &there[..], &SET[..]].concat();
    let (dir, text) = cluster.bed.results("openfaas");
    let nodes = || cluster.kubectl(&["get", "nodes", "--output=jsonpath={.items[*].metadata.uid}"]);
    let before = nodes()?;
    let said = cluster.ctl.refused(5, &[&["bench"], &own[..]].concat())?;
    ensure!(said.contains("it has no openfaas yet"), "{said}");
    let run = [&["run"], &own[..], &["--results", &text]].concat();
    let out = cluster.ctl.expect(0, &run)?;
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
    let again = cluster.ctl.expect(0, &[&["up"], &own[..]].concat())?;
    ensure!(again.contains("nothing was changed"), "{again}");
    suite(cluster)?;
    zero_and_back(cluster)?;
    let update = |cluster: &Cluster<'_>| {
        let functions = ["functions", cluster.name, "deploy", "sleep"];
        let changed = ["--env", "changed=1"];
        cluster.ctl.expect(0, &[&functions[..], &changed].concat())
    };
    let calls = under_load(cluster, &own, ("update", UPDATE_S), update)?;
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
    let calls = under_load(cluster, &own, ("gateway", KILL_S), |cluster| {
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
pub(crate) fn edge(bed: &Bed) -> anyhow::Result<()> {
    let cluster = Cluster::new(bed, "openfaas-edge")?;
    let config = example("openfaas-edge.cfg");
    let (dir, text) = bed.results("openfaas-edge");
    let run = [&["run", &*config], &SET[..], &["--results", &text]].concat();
    let out = cluster.ctl.expect(0, &run)?;
    for part in ["ENDPOINT OUTPUT", "FUNCTION OUTPUT", "START OUTPUT"] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    results::check(&results::only_result(&dir)?, PHOTOS)?;
    cluster.ctl.expect(0, &["down", &config])?;
    bed.check_nothing_left()
}

/// The suite as its example has it, a little slower; then the loads that no other test makes.
pub(crate) fn suite_as_a_file(bed: &Bed) -> anyhow::Result<()> {
    let cluster = Cluster::new(bed, "functions-suite")?;
    let config = example("functions-suite.toml");
    let (dir, text) = bed.results("suite");
    let slower = "benchmark.functions=[\"fibonacci 0.2 {\\\"n\\\": 20}\", \"io 0.2 {\\\"mib\\\": 1}\", \
                  \"matrix 0.2 {\\\"size\\\": 16}\", \"memory 0.2 {\\\"mib\\\": 4}\", \
                  \"sleep 0.4 {\\\"ms\\\": 100}\"]";
    let run = [
        "run",
        &config,
        "--keep",
        "--results",
        &text,
        "--set",
        slower,
        "--set",
        "benchmark.duration_s=30",
    ];
    let out = cluster.ctl.expect(0, &run)?;
    eprintln!(
        "{}",
        out.split("FUNCTION OUTPUT").nth(1).unwrap_or_default()
    );
    let calls = calls(&results::only_result(&dir)?)?;
    ensure!(calls.len() == 36, "{} calls", calls.len());
    ensure!(calls.iter().all(|c| c.status == "200"), "a call failed");
    one_after_the_other(&cluster, &config)?;
    with_loading(&cluster, &config)?;
    cluster.ctl.expect(0, &["down", &config])?;
    bed.check_nothing_left()
}

/// Closed loop, a process per call, and replicas that go when idle for shorter than calls are apart.
fn one_after_the_other(cluster: &Cluster<'_>, config: &str) -> anyhow::Result<()> {
    let (dir, text) = cluster.bed.results("closed");
    let bench = [
        "bench",
        config,
        "--results",
        &text,
        "--set",
        "benchmark.functions=[\"fibonacci 0.01 {\\\"n\\\": 20}\", \"sleep 0.5 {\\\"ms\\\": 2500}\"]",
        "--set",
        "benchmark.duration_s=200",
        "--set",
        "benchmark.loop=closed",
        "--set",
        "benchmark.per_request=true",
        "--set",
        "benchmark.zero_after_s=5",
    ];
    let said = cluster.ctl.expect(0, &bench)?;
    let calls = calls(&results::only_result(&dir)?)?;
    let of = |name: &str| {
        calls
            .iter()
            .filter(|c| c.function == name)
            .collect::<Vec<_>>()
    };
    ensure!(
        calls.iter().all(|c| c.status == "200"),
        "a call failed: {said}"
    );
    let (fibonacci, sleep) = (of("fibonacci"), of("sleep"));
    let cold = fibonacci.iter().filter(|c| c.is_cold).count();
    eprintln!(
        "closed loop: {} calls of sleep; {cold} of {} of fibonacci were cold",
        sleep.len(),
        fibonacci.len()
    );
    // 100 s apart, the second not sooner than the first is answered, and idle for 5 s is enough. The first may find the
    // replica that was waited for.
    ensure!(fibonacci.len() == 2 && fibonacci[1].is_cold);
    // Due every two seconds, but each waits for the one before.
    let overlap = sleep
        .windows(2)
        .filter(|w| w[1].begun_ns < w[0].answered_ns)
        .count();
    ensure!(
        sleep.len() == 100 && overlap == 0,
        "{} calls, {overlap} overlap",
        sleep.len()
    );
    // Those of the bench before are gone, and do not take the machine.
    let list = functions(cluster, &["list"])?;
    ensure!(
        list["functions"].as_array().is_some_and(|l| l.len() == 2),
        "{list}"
    );
    let logs = cluster
        .ctl
        .expect(0, &["functions", cluster.name, "logs", "sleep"])?;
    ensure!(
        logs.contains("Forking fprocess - continuum-function run sleep"),
        "{logs}"
    );
    Ok(())
}

/// The network is loaded for each photo, which is the cost of every start.
fn with_loading(cluster: &Cluster<'_>, config: &str) -> anyhow::Result<()> {
    let (dir, text) = cluster.bed.results("loading");
    let bench = [
        "bench",
        config,
        "--results",
        &text,
        "--set",
        "benchmark.application=image_classification",
        "--set",
        "benchmark.functions=[]",
        "--set",
        "benchmark.frequency=0.02",
        "--set",
        "benchmark.duration_s=100",
        "--set",
        "benchmark.per_request=true",
        "--set",
        "benchmark.worker_cores=1",
        "--set",
        "benchmark.worker_memory_mib=1000",
    ];
    let out = cluster.ctl.expect(0, &bench)?;
    eprintln!(
        "loaded for each call:{}",
        out.split("ENDPOINT OUTPUT").nth(1).unwrap_or_default()
    );
    results::check(&results::only_result(&dir)?, 2)
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

fn functions(cluster: &Cluster<'_>, arguments: &[&str]) -> anyhow::Result<Value> {
    let command = ["functions", cluster.name];
    cluster.ctl.json(0, &[&command[..], arguments].concat())
}

/// Each function of the suite is deployed, called, and says what it did.
fn suite(cluster: &Cluster<'_>) -> anyhow::Result<()> {
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
    let list = functions(cluster, &["list"])?;
    ensure!(
        list["functions"].as_array().is_some_and(|l| l.len() == 6),
        "{list}"
    );
    let bad = [
        "functions",
        cluster.name,
        "invoke",
        "fibonacci",
        "--data",
        "{\"n\":99}",
    ];
    let said = cluster.ctl.refused(1, &bad)?;
    ensure!(said.contains("500"), "{said}");
    let logs = cluster
        .ctl
        .expect(0, &["functions", cluster.name, "logs", "fibonacci"])?;
    ensure!(
        logs.contains("Forking fprocess - continuum-function run fibonacci")
            && logs.contains("parameter n is 99"),
        "{logs}"
    );
    let said = cluster
        .ctl
        .refused(1, &["functions", cluster.name, "invoke", "nobody"])?;
    ensure!(said.contains("404"), "{said}");
    Ok(())
}

/// A call of a function without replicas is held until there is one.
fn zero_and_back(cluster: &Cluster<'_>) -> anyhow::Result<()> {
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

struct Call {
    function: String,
    status: String,
    pod: String,
    is_cold: bool,
    begun_ns: i64,
    answered_ns: i64,
}

/// Those that a result has, by function and number.
fn calls(dir: &Path) -> anyhow::Result<Vec<Call>> {
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
    cluster: &Cluster<'_>,
    own: &[&str],
    (name, duration_s): (&str, usize),
    act: impl FnOnce(&Cluster<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Call>> {
    let (dir, text) = cluster.bed.results(&format!("load-{name}"));
    let duration = format!("benchmark.duration_s={duration_s}");
    let rest = ["--set", &duration, "--results", &text];
    let arguments = [&["bench"][..], own, &CALLS, &rest].concat();
    let mut run = cluster.ctl.start(name, &arguments)?;
    run.wait_for_answers(30, BENCH)?;
    act(cluster)?;
    let code = run.wait(BENCH)?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    let calls = calls(&results::only_result(&dir)?)?;
    // Answered or failed: none is forgotten.
    let sent = CALLS_PER_S * duration_s;
    ensure!(calls.len() == sent, "{} of {sent} calls", calls.len());
    Ok(calls)
}
