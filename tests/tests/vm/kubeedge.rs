//! `KubeEdge` with the real cloudcore and edgecore, wherever the store has them.

use crate::{bed::Bed, cluster::Cluster};
use anyhow::{Context, ensure};
use continuum_controller::keys::{self, Identity};
use continuum_tests::{ctl::example, results, skip};
use serde_json::{Value, json};
use std::time::Duration;

/// Few: an emulated edge takes ten seconds for each, and twice that when its host is busy.
const PHOTOS: usize = 6;
const SET: [&str; 4] = [
    "--set",
    "benchmark.frequency=0.2",
    "--set",
    "benchmark.duration_s=30",
];
const BENCH: Duration = Duration::from_mins(15);

/// Upstream's third tutorial config, and what is special about edges.
pub(crate) fn kubeedge(bed: &Bed) -> anyhow::Result<()> {
    let cluster = Cluster::new(bed, "kubeedge-edge")?;
    let config = example("kubeedge-edge.cfg");
    let own = [&[&*config], &SET[..]].concat();
    let (dir, text) = bed.results("kubeedge");
    let run = [&["run"], &own[..], &["--results", &text]].concat();
    let out = cluster.ctl.expect(0, &run)?;
    for part in [
        "EDGE OUTPUT",
        "proc_time/data (ms)",
        "ENDPOINT OUTPUT",
        "latency_stdev (ms)",
    ] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    let dir = results::only_result(&dir)?;
    results::check(&dir, PHOTOS)?;
    let result = results::json(&dir)?;
    eprintln!("stages {}", result["stage_times"]);
    let runs = result["runs"].as_array().context("runs")?;
    let worker = runs.iter().find(|r| r["phase"] == "worker");
    let pod = &worker.context("a worker")?["pod"];
    ensure!(
        pod["node"] == "edge0" && pod["cpu_max"] == "50000 100000",
        "{pod}"
    );
    let again = cluster.ctl.expect(0, &[&["up"], &own[..]].concat())?;
    ensure!(again.contains("nothing was changed"), "{again}");
    edge_node(&cluster)?;
    logs_and_exec(&cluster)?;
    links(&cluster)?;
    autonomy(&cluster)?;
    faults(&cluster, &own)?;
    if skip::long().is_none() {
        refusals(&cluster)?;
        expired(&cluster, &own)?;
        rebooted(&cluster, &own)?;
    }
    cluster.ctl.expect(0, &["down", &config])?;
    bed.check_nothing_left()
}

/// Two edges join at once, each with a pod, two endpoints and mosquitto, to which edgecore's event bus goes as well.
pub(crate) fn many(bed: &Bed) -> anyhow::Result<()> {
    let cluster = Cluster::new(bed, "kubeedge-many")?;
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
    let (dir, text) = bed.results("kubeedge-many");
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
    bed.check_nothing_left()
}

/// The edge is ready, says whose it is, and has no pod of the cluster's own.
fn edge_node(cluster: &Cluster<'_>) -> anyhow::Result<()> {
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
fn logs_and_exec(cluster: &Cluster<'_>) -> anyhow::Result<()> {
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
    let manifest = cluster.bed.dir.join("talker.json");
    std::fs::write(&manifest, pod.to_string())?;
    cluster.kubectl(&["apply", "-f", &manifest.display().to_string()])?;
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

/// The link between two nodes changes and comes back; one that is cut lets nothing through.
fn links(cluster: &Cluster<'_>) -> anyhow::Result<()> {
    let (ctl, name) = (&cluster.ctl, cluster.name);
    let status = ctl.json(0, &["status", name])?;
    let address = |node: &str| {
        let nodes = status["nodes"].as_array();
        let node = nodes.and_then(|all| all.iter().find(|n| n["node"] == node));
        node.and_then(|n| n["address"].as_str().map(str::to_owned))
    };
    let edge = address("edge0").context("an address")?;
    let ping = |node: &str| {
        let exec = [
            "agent", name, node, "exec", "--", "ping", "-c", "3", "-W", "3", &edge,
        ];
        ctl.run(&exec)
    };
    let set = [
        "network",
        name,
        "set",
        "endpoint0",
        "edge0",
        "latency_ms=150",
    ];
    let said = ctl.expect(0, &set)?;
    ensure!(said.contains("changed on edge0, endpoint0"), "{said}");
    let slow = crate::bed::median(crate::bed::ping_times(&String::from_utf8_lossy(
        &ping("endpoint0")?.stdout,
    )))?;
    ensure!((300.0..400.0).contains(&slow), "{slow} ms for 300 asked");
    ctl.expect(0, &["network", name, "cut", "cloud", "edge"])?;
    ensure!(
        !ping("cloud_controller")?.status.success(),
        "the cut link answers"
    );
    ensure!(ping("endpoint0")?.status.success(), "another link is cut");
    ctl.expect(0, &["network", name, "restore", "cloud", "edge"])?;
    ensure!(
        ping("cloud_controller")?.status.success(),
        "it is still cut"
    );
    ctl.expect(0, &["network", name, "restore", "endpoint0", "edge0"])?;
    ctl.refused(1, &["network", name, "cut", "cloud", "moon"])?;
    Ok(())
}

/// The built-in experiment, on the machines that are there: the edge loses the cloud in the middle of a run, every photo
/// is answered, and the times of it all are known.
fn autonomy(cluster: &Cluster<'_>) -> anyhow::Result<()> {
    let (dir, text) = cluster.bed.results("autonomy");
    let config = example("kubeedge-autonomy.toml");
    let name = format!("name={}", cluster.name);
    let arguments = [
        "bench",
        &config,
        "--results",
        &text,
        "--set",
        &name,
        "--set",
        "benchmark.frequency=0.05",
    ];
    let mut run = cluster.ctl.start("autonomy", &arguments)?;
    let code = run.wait(BENCH)?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    let dir = results::only_result(&dir)?;
    results::check(&dir, 12)?;
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

/// cloudcore starts again, and the edge does: both go on.
fn faults(cluster: &Cluster<'_>, bench: &[&str]) -> anyhow::Result<()> {
    cluster.on("cloud_controller", &["systemctl", "restart", "cloudcore"])?;
    let (dir, text) = cluster.bed.results("cloudcore-restarted");
    let again = [&["bench"][..], bench, &["--results", &text]].concat();
    cluster.ctl.expect(0, &again)?;
    results::check(&results::only_result(&dir)?, PHOTOS)
}

fn wait_ready(cluster: &Cluster<'_>) -> anyhow::Result<()> {
    let ready = [
        "wait",
        "--for=condition=Ready",
        "--timeout=300s",
        "node/edge0",
    ];
    cluster.kubectl(&ready).map(|_| ())
}

/// An edge with a token of another cluster, and one that has a kubelet, say so.
fn refusals(cluster: &Cluster<'_>) -> anyhow::Result<()> {
    let (certificates, away) = ("/etc/kubeedge/certs", "/etc/kubeedge/certs.away");
    cluster.on("edge0", &["mv", certificates, away])?;
    let token = format!("edge_token={}.a.b.c", "0".repeat(64));
    let install = [
        "agent",
        cluster.name,
        "edge0",
        "install",
        "kubeedge-edgecore",
        "node=edge0",
        "address=192.168.100.3",
        "control_plane=192.168.100.2",
        "pod_prefix=10.244.1.0/24",
        "routes=10.244.0.0/24=192.168.100.2",
        "event_bus=internal",
        "broker_port=1883",
        "pause=continuum.local/pause:1.0.0",
        &token,
    ];
    let said = cluster.ctl.refused(1, &install)?;
    ensure!(said.contains("failed to validate CA certificate"), "{said}");
    eprintln!("a wrong token: {}", said.lines().last().unwrap_or_default());
    // One that was right an hour ago.
    let expired = format!("edge_token={}", expired_token(cluster)?);
    let before = &install[..install.len() - 1];
    let said = cluster.ctl.refused(1, &[before, &[&*expired]].concat())?;
    ensure!(said.contains("token"), "{said}");
    eprintln!(
        "an expired token: {}",
        said.lines().last().unwrap_or_default()
    );
    // A unit that is active counts as one, whatever it does.
    let (routes, kubelet) = (
        "/etc/systemd/system/continuum-routes.service",
        "/etc/systemd/system/kubelet.service",
    );
    cluster.on("edge0", &["cp", routes, kubelet])?;
    cluster.on("edge0", &["systemctl", "start", "kubelet.service"])?;
    let said = cluster.ctl.refused(1, &install)?;
    ensure!(said.contains("a kubelet runs on this node"), "{said}");
    cluster.on("edge0", &["systemctl", "stop", "kubelet.service"])?;
    cluster.on("edge0", &["rm", kubelet])?;
    cluster.on("edge0", &["rm", "-rf", certificates])?;
    cluster.on("edge0", &["mv", away, certificates])?;
    cluster.on("edge0", &["systemctl", "restart", "edgecore"])?;
    wait_ready(cluster)
}

/// An edge whose certificate has expired is lost to its cloud; `up` gives it another.
fn expired(cluster: &Cluster<'_>, bench: &[&str]) -> anyhow::Result<()> {
    let authority = edge_authority(cluster)?;
    let (certificate, key) = expired_certificate(&authority, "edge0")?;
    for (text, place) in [(&certificate, "server.crt"), (&key, "server.key")] {
        let file = cluster.bed.dir.join(place);
        std::fs::write(&file, text)?;
        let file = file.display().to_string();
        let put = ["agent", cluster.name, "edge0", "put", &file, place];
        let put = cluster.ctl.json(0, &put)?;
        let from = put["path"].as_str().context("a path")?;
        let to = format!("/etc/kubeedge/certs/{place}");
        cluster.on("edge0", &["install", "-m", "0600", from, &to])?;
    }
    cluster.on("edge0", &["systemctl", "restart", "edgecore"])?;
    let lost = [
        "wait",
        "--for=condition=Ready=Unknown",
        "--timeout=300s",
        "node/edge0",
    ];
    cluster.kubectl(&lost)?;
    let up = cluster.ctl.run(&[&["up"], bench].concat())?;
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    ensure!(
        up.status.success() && said.contains("its certificate has expired"),
        "{said}"
    );
    wait_ready(cluster)
}

/// As cloudcore signs them: edgecore throws away one that is for another name, and asks for a new one with its token.
fn expired_certificate(authority: &Identity, node: &str) -> anyhow::Result<(String, String)> {
    let issuer = rcgen::Issuer::from_ca_cert_pem(
        &authority.certificate_pem,
        rcgen::KeyPair::from_pem(&authority.key_pem)?,
    )?;
    let now = time::OffsetDateTime::now_utc();
    let mut params = rcgen::CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(rcgen::DnType::CommonName, format!("system:node:{node}"));
    name.push(rcgen::DnType::OrganizationName, "system:nodes");
    (params.not_before, params.not_after) = (
        now - time::Duration::days(2),
        now - time::Duration::hours(1),
    );
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn edge_authority(cluster: &Cluster<'_>) -> anyhow::Result<Identity> {
    let secrets = cluster
        .ctl
        .state()
        .join("deployments")
        .join(cluster.name)
        .join("secrets");
    let read = |name: &str| {
        std::fs::read_to_string(secrets.join(name)).with_context(|| format!("read {name}"))
    };
    Ok(Identity {
        certificate_pem: read("edge-ca.pem")?,
        key_pem: read("edge-ca.key")?,
    })
}

/// Signed by the deployment's own authority for edges.
fn expired_token(cluster: &Cluster<'_>) -> anyhow::Result<String> {
    let authority = edge_authority(cluster)?;
    Ok(keys::edge_token(&authority, time::Duration::hours(-1))?)
}

/// An edge that starts again in the middle of a run makes it invalid, by name; `up` makes it whole.
fn rebooted(cluster: &Cluster<'_>, bench: &[&str]) -> anyhow::Result<()> {
    let (_, text) = cluster.bed.results("edge-rebooted");
    let arguments = [&["bench"][..], bench, &["--results", &text]].concat();
    let mut run = cluster.ctl.start("rebooted", &arguments)?;
    run.wait_for("workers: done", Duration::from_mins(6))?;
    cluster.on(
        "edge0",
        &["systemd-run", "--on-active=1", "systemctl", "reboot"],
    )?;
    let code = run.wait(BENCH)?;
    let said = run.said();
    ensure!(code == 6 && said.contains("edge0"), "exit {code}: {said}");
    cluster.ctl.expect(0, &[&["up"], bench].concat())?;
    wait_ready(cluster)?;
    let (dir, text) = cluster.bed.results("edge-back");
    let again = [&["bench"][..], bench, &["--results", &text]].concat();
    cluster.ctl.expect(0, &again)?;
    results::check(&results::only_result(&dir)?, PHOTOS)
}
