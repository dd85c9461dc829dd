//! The example of functions that compete for one worker, on a cluster of its own: for long.

use crate::{
    cluster::Cluster,
    fixture::{Provider, guest_processes, machine_name, wait},
    openfaas::{NEEDS, calls, functions},
    table::{Body, Fixture, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use std::time::{Duration, Instant};

pub(crate) const TESTS: [Test; 5] = [
    on_the_suite(
        "functions_suite::it_runs_as_its_example_has_it",
        suite_as_a_file,
    ),
    on_the_suite(
        "functions_suite::a_closed_loop_calls_one_after_the_other",
        one_after_the_other,
    ),
    on_the_suite(
        "functions_suite::the_network_is_loaded_for_each_call",
        with_loading,
    ),
    on_the_suite(
        "functions_suite::half_an_hour_of_it_wears_nothing_out",
        half_an_hour,
    )
    .on(When::Long, When::Never),
    Test::new(
        "functions_suite::down_leaves_nothing",
        NEEDS,
        Body::End(&SUITE),
    )
    .on(When::Long, When::Long),
];

/// The suite's example.
static SUITE: Fixture = Fixture {
    name: "functions-suite",
    make: |vms| {
        let cluster = Cluster::new(vms, "functions-suite");
        cluster
            .ctl
            .expect(0, &["up", &example("functions-suite.toml")])?;
        Ok(cluster)
    },
};

const fn on_the_suite(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, NEEDS, Body::With(&SUITE, run)).on(When::Long, When::Long)
}

/// A little slower.
fn suite_as_a_file(cluster: &Cluster) -> anyhow::Result<()> {
    let config = example("functions-suite.toml");
    let (dir, text) = cluster.vms.results("suite");
    let slower = "benchmark.functions=[\"fibonacci 0.2 {\\\"n\\\": 20}\", \"io 0.2 {\\\"mib\\\": 1}\", \
                  \"matrix 0.2 {\\\"size\\\": 16}\", \"memory 0.2 {\\\"mib\\\": 4}\", \
                  \"sleep 0.4 {\\\"ms\\\": 100}\"]";
    let run = [
        "bench",
        &config,
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
    Ok(())
}

/// Closed loop, a process per call, and replicas that go when idle for shorter than calls are apart.
fn one_after_the_other(cluster: &Cluster) -> anyhow::Result<()> {
    let config = example("functions-suite.toml");
    let (dir, text) = cluster.vms.results("closed");
    let bench = [
        "bench",
        &config,
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
        .expect(0, &["functions", &cluster.name, "logs", "sleep"])?;
    ensure!(
        logs.contains("Forking fprocess - continuum-function run sleep"),
        "{logs}"
    );
    Ok(())
}

/// The network is loaded for each photo, which is the cost of every start.
fn with_loading(cluster: &Cluster) -> anyhow::Result<()> {
    let config = example("functions-suite.toml");
    let (dir, text) = cluster.vms.results("loading");
    let bench = [
        "bench",
        &config,
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

const NODES: [&str; 3] = ["cloud_controller", "cloud0", "endpoint0"];
const HALF_AN_HOUR: Duration = Duration::from_mins(30);

/// MiB of memory that programs have in a node.
fn used_mib(cluster: &Cluster, node: &str) -> anyhow::Result<f64> {
    let words = "/MemTotal|MemAvailable/ { used = $2 - used } END { print -used / 1024 }";
    let used = cluster.on(node, &["awk", words, "/proc/meminfo"])?;
    used.trim().parse().with_context(|| used.clone())
}

/// No guest starts again, none takes ever more memory, and their kernels complain of nothing.
fn half_an_hour(cluster: &Cluster) -> anyhow::Result<()> {
    ensure!(
        cluster.vms.provider == Provider::Uml,
        "guests that are processes"
    );
    let config = example("functions-suite.toml");
    let (dir, text) = cluster.vms.results("half-an-hour");
    let duration = format!("benchmark.duration_s={}", HALF_AN_HOUR.as_secs());
    let bench = ["bench", &config, "--results", &text, "--set", &duration];
    let processes = || {
        NODES
            .iter()
            .map(|node| {
                let machine = machine_name(&cluster.ctl, &cluster.name, node)?;
                guest_processes(&cluster.ctl, &machine)
            })
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let before = processes()?;
    let mut run = cluster.ctl.start("half-an-hour", &bench)?;
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < HALF_AN_HOUR {
        wait(Duration::from_mins(2));
        let used = NODES.iter().map(|node| used_mib(cluster, node));
        let used = used.collect::<anyhow::Result<Vec<_>>>()?;
        eprintln!(
            "after {:.0} s: {NODES:?} use {used:.0?} MiB",
            begun.elapsed().as_secs_f64()
        );
        samples.push(used);
    }
    let code = run.wait(Duration::from_mins(10))?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    ensure!(processes()? == before, "a guest was started again");
    let calls = calls(&results::only_result(&dir)?)?;
    let failed = calls.iter().filter(|c| c.status != "200").count();
    eprintln!("half an hour: {} calls, {failed} failed", calls.len());
    ensure!(failed == 0, "{failed} of {} calls failed", calls.len());
    for node in NODES {
        let log = ["journalctl", "--dmesg", "--priority=warning", "--no-pager"];
        let said = cluster.on(node, &log)?;
        eprintln!("{node}, what its kernel warned of:\n{said}");
        for word in ["Oops", "BUG:", "panic", "Out of memory"] {
            ensure!(!said.contains(word), "{node}: {word}");
        }
    }
    // What is there after four minutes is what it takes.
    let (first, last) = (
        samples.get(1).context("samples")?,
        samples.last().context("samples")?,
    );
    for ((node, first), last) in NODES.iter().zip(first).zip(last) {
        ensure!(
            *last < first + 256.0,
            "{node} went from {first:.0} to {last:.0} MiB"
        );
    }
    Ok(())
}
