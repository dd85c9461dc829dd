//! `KubeEdge` with the real cloudcore and edgecore, wherever the store has them.

use crate::{
    cluster::Cluster,
    fixture::{VmFixture, address, median, ping_times},
    kubeedge_faults::{beside_a_kubelet, expired, rebooted, wrong_token},
    table::{Body, Fixture, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Few: an emulated edge takes ten seconds for each, and twice that when its host is busy.
const PHOTOS: usize = 6;
const SET: [&str; 4] = [
    "--set",
    "benchmark.frequency=0.2",
    "--set",
    "benchmark.duration_s=30",
];
pub(crate) const BENCH: Duration = Duration::from_mins(15);

/// Upstream's third tutorial config.
pub(crate) static CLUSTER: Fixture = Fixture {
    name: "kubeedge",
    make: |vms| {
        let cluster = Cluster::new(vms, "kubeedge-edge");
        let up = cluster.ctl.json(0, &words(&with_own("up", &[])))?;
        eprintln!("kubeedge: stages {}", up["stage_times"]);
        Ok(cluster)
    },
};

const NEEDS: &[Need] = &[Need::Kubernetes, Need::KubeEdge];

const fn on_the_cluster(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, NEEDS, Body::With(&CLUSTER, run))
}

const fn long_on_the_cluster(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    on_the_cluster(name, run).on(When::Long, When::Long)
}

/// In this order.
pub(crate) const TESTS: [Test; 14] = [
    on_the_cluster("kubeedge::photos_are_classified_on_the_edge", photos),
    on_the_cluster("kubeedge::a_second_up_changes_nothing", second_up),
    on_the_cluster(
        "kubeedge::the_edge_runs_nothing_of_the_clouds_own",
        edge_node,
    ),
    on_the_cluster(
        "kubeedge::logs_and_exec_reach_a_pod_on_the_edge",
        logs_and_exec,
    ),
    on_the_cluster("kubeedge::a_link_is_changed_and_restored", changed_link),
    on_the_cluster("kubeedge::a_cut_link_lets_nothing_through", cut_link),
    on_the_cluster(
        "kubeedge::an_edge_without_its_cloud_loses_no_photo",
        autonomy,
    ),
    on_the_cluster(
        "kubeedge::a_cloudcore_that_started_again_is_found",
        cloudcore_restarted,
    ),
    long_on_the_cluster(
        "kubeedge::a_token_of_another_cluster_is_refused",
        wrong_token,
    ),
    long_on_the_cluster(
        "kubeedge::an_edge_with_a_kubelet_is_refused",
        beside_a_kubelet,
    ),
    long_on_the_cluster("kubeedge::up_renews_an_expired_certificate", expired),
    long_on_the_cluster(
        "kubeedge::an_edge_that_starts_again_makes_a_run_invalid",
        rebooted,
    ),
    Test::new("kubeedge::down_leaves_nothing", NEEDS, Body::End(&CLUSTER)),
    Test::new("kubeedge::two_edges_join_at_once", NEEDS, Body::Alone(many))
        .on(When::Long, When::Long),
];

/// The example, with few photos.
fn own() -> [String; 5] {
    let [first, second, third, fourth] = SET.map(str::to_owned);
    [example("kubeedge-edge.cfg"), first, second, third, fourth]
}

pub(crate) fn with_own(command: &'static str, rest: &[&str]) -> Vec<String> {
    let mut argv = vec![command.to_owned()];
    argv.extend(own());
    argv.extend(rest.iter().map(|word| (*word).to_owned()));
    argv
}

pub(crate) fn words(argv: &[String]) -> Vec<&str> {
    argv.iter().map(String::as_str).collect()
}

/// Runs the benchmark of the example; the result.
pub(crate) fn bench(cluster: &Cluster, name: &str) -> anyhow::Result<(String, Value)> {
    let (dir, text) = cluster.vms.results(name);
    let bench = with_own("bench", &["--results", &text]);
    let out = cluster.ctl.expect(0, &words(&bench))?;
    let dir = results::only_result(&dir)?;
    results::check(&dir, PHOTOS)?;
    Ok((out, results::json(&dir)?))
}

fn photos(cluster: &Cluster) -> anyhow::Result<()> {
    let (out, result) = bench(cluster, "kubeedge")?;
    for part in [
        "EDGE OUTPUT",
        "proc_time/data (ms)",
        "ENDPOINT OUTPUT",
        "latency_stdev (ms)",
    ] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    let runs = result["runs"].as_array().context("runs")?;
    let worker = runs.iter().find(|r| r["phase"] == "worker");
    let pod = &worker.context("a worker")?["pod"];
    ensure!(
        pod["node"] == "edge0" && pod["cpu_max"] == "50000 100000",
        "{pod}"
    );
    Ok(())
}

fn second_up(cluster: &Cluster) -> anyhow::Result<()> {
    let again = cluster.ctl.expect(0, &words(&with_own("up", &[])))?;
    ensure!(again.contains("nothing was changed"), "{again}");
    Ok(())
}

/// Two edges join at once, each with a pod, two endpoints and mosquitto, to which edgecore's event bus goes as well.
fn many(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let cluster = Cluster::new(vms, "kubeedge-many");
    let config = example("kubeedge-many.toml");
    let own = [
        &config,
        "--set",
        "software.broker=mosquitto",
        "--set",
        "benchmark.frequency=0.1",
        "--set",
        "benchmark.duration_s=40",
    ];
    let (dir, text) = vms.results("kubeedge-many");
    let run = [&["run"], &own[..], &["--keep", "--results", &text]].concat();
    let out = cluster.ctl.expect(0, &run)?;
    eprintln!("{}", out.split("EDGE OUTPUT").nth(1).unwrap_or_default());
    let dir = results::only_result(&dir)?;
    // Four from each of four endpoints.
    results::check(&dir, 16)?;
    let result = results::json(&dir)?;
    eprintln!("stages {}", result["stage_times"]);
    let runs = result["runs"].as_array().context("runs")?;
    let pods = runs.iter().filter_map(|r| r["pod"]["node"].as_str());
    let mut nodes: Vec<&str> = pods.collect();
    nodes.sort_unstable();
    ensure!(nodes == ["edge0", "edge1"], "{nodes:?}");
    for edge in nodes {
        // The benchmark's broker is the one that the event bus has a connection to.
        let connections = [
            "ss",
            "--no-header",
            "--tcp",
            "--numeric",
            "--processes",
            "state",
            "established",
        ];
        let to_broker = [&connections[..], &["dport", "=", ":1883"]].concat();
        let seen = cluster.on(edge, &to_broker)?;
        ensure!(seen.contains("edgecore"), "{edge}: {seen}");
        let broker = cluster.on(edge, &["pidof", "mosquitto"])?;
        ensure!(!broker.trim().is_empty(), "no mosquitto on {edge}");
    }
    cluster.ctl.expect(0, &["down", &config])?;
    vms.check_nothing_left()
}

/// The edge is ready, says whose it is, and has no pod of the cluster's own.
fn edge_node(cluster: &Cluster) -> anyhow::Result<()> {
    let node: Value =
        serde_json::from_str(&cluster.kubectl(&["get", "node", "edge0", "-o", "json"])?)?;
    let version = node["status"]["nodeInfo"]["kubeletVersion"].as_str();
    eprintln!("edge0: {version:?}");
    ensure!(
        version.is_some_and(|v| v.contains("kubeedge-v1.23"))
            && node["metadata"]["labels"]["node-role.kubernetes.io/edge"].is_string(),
        "{node}"
    );
    let own = [
        "get",
        "pods",
        "--namespace=kube-system",
        "--field-selector=spec.nodeName=edge0",
        "-o",
        "name",
    ];
    let own = cluster.kubectl(&own)?;
    ensure!(own.trim().is_empty(), "on the edge: {own}");
    // With its certificate it needs no token, and nobody shall find one.
    let tokens = [
        "find",
        "/etc/kubeedge",
        "-type",
        "f",
        "-exec",
        "grep",
        "token: [^\"]",
        "{}",
    ];
    let seen = cluster.on("edge0", &[&tokens[..], &[";"]].concat())?;
    ensure!(seen.trim().is_empty(), "{seen}");
    Ok(())
}

/// `kubectl logs` and `exec` of a pod on the edge, through cloudcore's tunnel.
fn logs_and_exec(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.bring_tools(&["edge0"])?;
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "talker" },
        "spec": {
            "nodeName": "edge0",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "talker", "image": crate::cluster::TOOLS, "imagePullPolicy": "Never",
                "args": ["sh", "-c", "/bin/busybox echo said on the edge; /bin/busybox sleep 3600"],
            }],
        },
    });
    let manifest = cluster.vms.file("talker.json", &pod.to_string())?;
    cluster.kubectl(&["apply", "-f", &manifest])?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "--timeout=240s",
        "pod/talker",
    ];
    cluster.kubectl(&ready)?;
    let said = cluster.kubectl(&["logs", "talker"])?;
    ensure!(said.contains("said on the edge"), "{said}");
    let said = cluster.tool("talker", &["echo", "asked from the cloud"])?;
    ensure!(said.contains("asked from the cloud"), "{said}");
    Ok(())
}

/// Whether a node reaches the edge, and how long that takes.
fn ping_edge(cluster: &Cluster, node: &str) -> anyhow::Result<(bool, Vec<f64>)> {
    let edge = address(&cluster.ctl, &cluster.name, "edge0")?;
    let ping = cluster.try_on(node, &["ping", "-c", "3", "-W", "3", &edge])?;
    let times = ping_times(&String::from_utf8_lossy(&ping.stdout));
    Ok((ping.status.success(), times))
}

fn changed_link(cluster: &Cluster) -> anyhow::Result<()> {
    let (ctl, name) = (&cluster.ctl, &*cluster.name);
    let link = ["endpoint0", "edge0"];
    let set = [&["network", name, "set"], &link[..], &["latency_ms=150"]].concat();
    let said = ctl.expect(0, &set)?;
    ensure!(said.contains("changed on edge0, endpoint0"), "{said}");
    let slow = median(ping_edge(cluster, "endpoint0")?.1)?;
    ensure!((297.0..400.0).contains(&slow), "{slow} ms for 300 asked");
    ctl.expect(0, &[&["network", name, "restore"], &link[..]].concat())?;
    let back = median(ping_edge(cluster, "endpoint0")?.1)?;
    ensure!(back < 100.0, "{back} ms after it was restored");
    Ok(())
}

fn cut_link(cluster: &Cluster) -> anyhow::Result<()> {
    let (ctl, name) = (&cluster.ctl, &*cluster.name);
    ctl.expect(0, &["network", name, "cut", "cloud", "edge"])?;
    let cut = ping_edge(cluster, "cloud_controller")?.0;
    let other = ping_edge(cluster, "endpoint0")?.0;
    ctl.expect(0, &["network", name, "restore", "cloud", "edge"])?;
    ensure!(!cut, "the cut link answers");
    ensure!(other, "another link is cut");
    let restored = ping_edge(cluster, "cloud_controller")?.0;
    ensure!(restored, "it is still cut");
    ctl.refused(1, &["network", name, "cut", "cloud", "moon"])?;
    Ok(())
}

/// The built-in experiment, on the machines that are there: the edge loses the cloud in the middle of a run, every photo
/// is answered, and the times of it all are known.
fn autonomy(cluster: &Cluster) -> anyhow::Result<()> {
    let (dir, text) = cluster.vms.results("autonomy");
    let config = example("kubeedge-autonomy.toml");
    let name = format!("name={}", cluster.name);
    let mut arguments = vec![
        "bench",
        &config,
        "--results",
        &text,
        "--set",
        &name,
        "--set",
    ];
    let photos = if cluster.vms.is_slow() {
        arguments.push("benchmark.frequency=0.05");
        12
    } else {
        // The cloud gives a silent node up after 40 to 50 s.
        arguments.extend([
            "benchmark.frequency=0.25",
            "--set",
            "benchmark.duration_s=100",
            "--set",
            "benchmark.timeline=[\"5 cut cloud edge\", \"60 restart edge0 edgecore\", \"75 restore cloud edge\"]",
        ]);
        25
    };
    let mut run = cluster.ctl.start("autonomy", &arguments)?;
    let code = run.wait(BENCH)?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    let dir = results::only_result(&dir)?;
    results::check(&dir, photos)?;
    let result = results::json(&dir)?;
    let timeline = result["timeline"].as_array().context("a timeline")?;
    let at = |part: &str| {
        let found = timeline
            .iter()
            .find(|h| h["text"].as_str().is_some_and(|t| t.contains(part)));
        found
            .and_then(|h| h["after_s"].as_f64())
            .with_context(|| format!("no `{part}`: {timeline:?}"))
    };
    let order = [
        at("cut cloud edge")?,
        at("edge0 is not ready")?,
        at("restart edge0 edgecore")?,
        at("restore cloud edge")?,
        at("edge0 is ready")?,
    ];
    eprintln!("cut, not ready, edgecore restarted, restored, ready: {order:.1?} s");
    ensure!(order.is_sorted(), "{timeline:?}");
    let events = std::fs::read_to_string(dir.join("events.csv"))?;
    ensure!(
        events.contains("edge0,") && events.contains("network,\"link to cloud"),
        "the agents' own words are missing: {events}"
    );
    Ok(())
}

fn cloudcore_restarted(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.on("cloud_controller", &["systemctl", "restart", "cloudcore"])?;
    bench(cluster, "cloudcore-restarted").map(|_| ())
}
