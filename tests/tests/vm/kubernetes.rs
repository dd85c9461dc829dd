//! A real cluster by kubeadm, with an application in its pods.

use crate::{
    cluster::{Cluster, TOOLS, tools_archive},
    cluster_faults,
    fixture::VmFixture,
    pods,
    table::{Body, Fixture, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, example},
    results,
};
use std::sync::Arc;

const PHOTOS: usize = 10;
const SET: [&str; 4] = [
    "--set",
    "benchmark.frequency=0.5",
    "--set",
    "benchmark.duration_s=20",
];

/// Longer than what is to happen meanwhile, on a fast machine too.
const PHOTOS_OF_A_MINUTE: usize = 6;
const A_MINUTE: [&str; 4] = [
    "--set",
    "benchmark.frequency=0.1",
    "--set",
    "benchmark.duration_s=60",
];

/// Upstream's second tutorial config.
pub(crate) static CLUSTER: Fixture = Fixture {
    name: "kubernetes",
    make,
};

pub(crate) const NEEDS: &[Need] = &[Need::Kubernetes];

const fn on_the_cluster(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, NEEDS, Body::With(&CLUSTER, run))
}

/// Minutes by itself.
const fn slow_on_the_cluster(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    on_the_cluster(name, run).on(When::Long, When::Long)
}

/// In this order; what comes on top of the cluster follows, and its end.
pub(crate) const TESTS: [Test; 13] = [
    on_the_cluster(
        "kubernetes::a_dry_run_says_versions_sizes_and_times",
        said_before,
    ),
    on_the_cluster(
        "kubernetes::a_file_of_the_store_that_changed_is_refused",
        changed_file,
    ),
    on_the_cluster("kubernetes::photos_are_classified_in_pods", photos),
    on_the_cluster("kubernetes::a_second_up_changes_nothing", second_up),
    on_the_cluster("kubernetes::its_own_pods_are_ready", own_pods),
    on_the_cluster(
        "kubernetes::pods_reach_each_other_by_address_and_name",
        pods::reach_each_other,
    ),
    on_the_cluster(
        "kubernetes::what_pods_send_crosses_the_emulated_link",
        pods::cross_the_link,
    ),
    on_the_cluster("kubernetes::an_own_container_runs_as_a_pod", |cluster| {
        own_container(cluster, "own-pod")
    }),
    on_the_cluster(
        "kubernetes::an_image_that_is_gone_is_brought_again",
        |cluster| {
            own_container(cluster, "own-pod-before")?;
            cluster_faults::image_gone(cluster, TOOLS, || own_container(cluster, "own-pod-again"))
        },
    ),
    on_the_cluster(
        "kubernetes::an_image_that_nobody_gives_is_named",
        |cluster| cluster_faults::image_missing(cluster, &own_pod(cluster, "no-image", NO_IMAGE)?),
    ),
    slow_on_the_cluster(
        "kubernetes::no_photo_is_lost_while_the_api_server_is_away",
        |cluster| {
            let config = example("kubernetes-cloud.cfg");
            let minute = [&[&*config], &A_MINUTE[..]].concat();
            cluster_faults::api_server_gone(cluster, &minute, PHOTOS_OF_A_MINUTE)
        },
    ),
    slow_on_the_cluster(
        "kubernetes::a_node_with_a_silent_kubelet_takes_no_run",
        |cluster| {
            let config = example("kubernetes-cloud.cfg");
            cluster_faults::kubelet_stopped(cluster, &[&[&*config], &SET[..]].concat())
        },
    ),
    on_the_cluster("kubernetes::stages_of_pods_have_times_in_order", stages),
];

fn make(vms: &Arc<VmFixture>) -> anyhow::Result<Cluster> {
    let cluster = Cluster::with(vms, "kubernetes-cloud", carried(vms)?);
    let up = cluster
        .ctl
        .json(0, &["up", &example("kubernetes-cloud.cfg")])?;
    eprintln!("kubernetes: stages {}", up["stage_times"]);
    Ok(cluster)
}

fn photos(cluster: &Cluster) -> anyhow::Result<()> {
    let (dir, text) = cluster.vms.results("kubernetes");
    let config = example("kubernetes-cloud.cfg");
    // The config says that it stays up.
    let run = [&["run", &*config], &SET[..], &["--results", &text]].concat();
    let out = cluster.ctl.expect(0, &run)?;
    for part in [
        "CLOUD OUTPUT",
        "worker_id",
        "proc_time/data (ms)",
        "ENDPOINT OUTPUT",
        "connected_to",
        "latency_stdev (ms)",
        "kubectl --kubeconfig",
    ] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    let dir = results::only_result(&dir)?;
    results::check(&dir, PHOTOS)?;
    let result = results::json(&dir)?;
    in_a_pod(&result)?;
    let facts = &result["facts"];
    let running = facts["running cloud0"].as_str().unwrap_or_default();
    ensure!(
        running.contains("kubelet v1.35.4") && running.contains("containerd://1.7"),
        "{facts}"
    );
    ensure!(facts["running etcd"] == "3.6.13", "{facts}");
    in_the_image(cluster, facts)?;
    let digest = facts["component kubernetes 1.35.4 kubelet"].as_str();
    ensure!(digest.is_some_and(|d| d.starts_with("sha256:")), "{facts}");
    Ok(())
}

fn second_up(cluster: &Cluster) -> anyhow::Result<()> {
    let up = ["up", &example("kubernetes-cloud.cfg")];
    // An earlier `run` may have had other numbers, which the first takes back.
    cluster.ctl.expect(0, &up)?;
    let again = cluster.ctl.expect(0, &up)?;
    ensure!(again.contains("nothing was changed"), "{again}");
    cluster.check_nodes(2)
}

/// kube-proxy by nftables and CoreDNS among them.
fn own_pods(cluster: &Cluster) -> anyhow::Result<()> {
    let all = ["--namespace=kube-system", "pod", "--all", "--timeout=300s"];
    cluster
        .kubectl(&[&["wait", "--for=condition=Ready"], &all[..]].concat())
        .map(|_| ())
}

/// A deployment that is not there yet, of the same config.
const ANOTHER: [&str; 2] = ["--set", "name=another"];

/// Versions, sizes, memory and the time to expect, before anything is made.
fn said_before(cluster: &Cluster) -> anyhow::Result<()> {
    let config = example("kubernetes-cloud.cfg");
    let dry_run = [&["up", &*config, "--dry-run"], &ANOTHER[..]].concat();
    let out = cluster.ctl.expect(0, &dry_run)?;
    for part in [
        "kubernetes 1.35.4",
        "kube-apiserver.tar",
        "containerd_1.7",
        "runc_1.1",
        "MB",
        "10240 MiB",
        // This machine has made one.
        "time to expect: ",
        "as on this machine",
    ] {
        ensure!(out.contains(part), "no `{part}` in\n{out}");
    }
    ensure!(!out.contains("would be refused"), "{out}");
    Ok(())
}

fn changed_file(cluster: &Cluster) -> anyhow::Result<()> {
    let components = cluster.vms.dir.join("cache/components");
    let mut broken = None;
    for entry in std::fs::read_dir(&components)? {
        let path = entry?.path().join("kubelet");
        broken = broken.or(path.exists().then_some(path));
    }
    let broken = broken.context("a kubelet in the store")?;
    let good = std::fs::read(&broken)?;
    let mut bad = good.clone();
    *bad.last_mut().context("a byte")? ^= 1;
    std::fs::write(&broken, bad)?;
    let config = example("kubernetes-cloud.cfg");
    let up = [&["up", &*config], &ANOTHER[..]].concat();
    let said = cluster.ctl.refused(5, &up);
    std::fs::write(&broken, good)?;
    let said = said?;
    ensure!(
        said.contains("kubelet") && said.contains("is not as it came"),
        "{said}"
    );
    let another = cluster.ctl.state().join("deployments/another");
    ensure!(!another.exists(), "a refused up left something");
    Ok(())
}

/// Machines were made of the image that has Kubernetes in it, so that nothing of it is sent to them.
fn in_the_image(cluster: &Cluster, facts: &serde_json::Value) -> anyhow::Result<()> {
    let key = facts["image"].as_str().context("an image")?;
    let image = cluster.vms.dir.join("cache/images").join(key);
    let manifest = std::fs::read_to_string(image.join("manifest.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let containers = manifest["containers"].as_array();
    ensure!(
        manifest["role"] == "kubernetes"
            && containers.is_some_and(|all| all.iter().any(|name| {
                let name = name.as_str().unwrap_or_default();
                name.contains("kube-apiserver")
            })),
        "role {}, {containers:?}; make one: continuum-ctl image build --role kubernetes",
        manifest["role"]
    );
    Ok(())
}

const NO_IMAGE: &str =
    "application = \"container\"\nduration_s = 5\nworker_image = \"nowhere.test/app:1\"\n";

/// The same machines, in the other spelling, with another application.
fn own_pod(cluster: &Cluster, name: &str, benchmark: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(example("kubernetes-cloud.toml"))?;
    let (machines, _) = text.split_once("[benchmark]").context("a benchmark")?;
    let text = format!("{machines}[benchmark]\n{benchmark}");
    cluster.vms.file(&format!("{name}.toml"), &text)
}

/// Two pods on one worker that do nothing, after a warm-up: when each of them came to be, stage by stage.
fn stages(cluster: &Cluster) -> anyhow::Result<()> {
    let benchmark = "application = \"empty\"\nsleep_time_s = 2\nworker_cores = 0.2\nworker_memory_mib = 96\n\
                     applications_per_worker = 2\ncache_worker = true\n";
    let config = own_pod(cluster, "stages", benchmark)?;
    let (dir, text) = cluster.vms.results("stages");
    let bench = ["bench", &config, "--results", &text];
    cluster.ctl.expect(0, &bench)?;
    let rows = results::rows(&results::only_result(&dir)?, "pods.csv")?;
    ensure!(rows.len() == 2, "{rows:?}");
    for row in &rows {
        let mut before = 0.0;
        for stage in [
            "kubelet_pod_received (s)",
            "kubelet_applied_sandbox (s)",
            "kubelet_created_container (s)",
            "started_application (s)",
        ] {
            let at = row.number::<f64>(stage)?;
            ensure!(at > before, "{stage} at {at} s after {before} s: {row:?}");
            before = at;
        }
    }
    Ok(())
}

/// A container of the user's own as a pod: two numbers printed are two numbers in the result.
fn own_container(cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    let archive = tools_archive(&cluster.vms)?;
    let benchmark = format!(
        r#"application = "container"
duration_s = 5
worker_image = "{}"
worker_command = ["/bin/busybox", "printf", 'a line for people\n{{"metric":"answers","value":41}}\n{{"metric":"answers","value":43}}\n']
"#,
        archive.display()
    );
    let config = own_pod(cluster, name, &benchmark)?;
    let (dir, text) = cluster.vms.results(name);
    let out = cluster
        .ctl
        .expect(0, &["bench", &config, "--results", &text])?;
    ensure!(out.contains("CONTAINER OUTPUT"), "{out}");
    let dir = results::only_result(&dir)?;
    let result = results::json(&dir)?;
    let row = &result["tables"][0]["rows"][0];
    ensure!(
        row[0] == "cloud0" && row[2] == "answers" && row[3] == 2 && row[4] == 42.0,
        "{result}"
    );
    let run = &result["runs"][0];
    ensure!(run["pod"]["node"] == "cloud0", "{result}");
    let id = run["id"].as_str().context("an id")?;
    let log = std::fs::read_to_string(dir.join(format!("logs/{id}.log")))?;
    ensure!(log.contains("a line for people"), "{log}");
    Ok(())
}

/// A program whose cache has nothing but what was exported from this machine's, in a namespace without a network.
fn carried(vms: &Arc<VmFixture>) -> anyhow::Result<Ctl> {
    let links = vms.inside("ip", &["-brief", "link"])?;
    ensure!(
        links
            .lines()
            .all(|l| l.starts_with("lo") || l.starts_with("virbr")),
        "the namespace has links to elsewhere: {links}"
    );
    let cache = vms.dir.join("cache").display().to_string();
    let (here, there) = (vms.ctl(), vms.ctl().env("CONTINUUM_CACHE", cache));
    // Several fixtures may be made of it.
    if vms.dir.join("cache").exists() {
        return Ok(there);
    }
    let archive = vms.dir.join("archive.tar");
    let path = archive.display().to_string();
    // One after the other: each is as large as what it holds.
    for kind in ["artifact", "image"] {
        let begun = std::time::Instant::now();
        here.expect(0, &[kind, "export", &path])?;
        let exported = begun.elapsed();
        there.expect(0, &[kind, "import", &path])?;
        let megabytes = std::fs::metadata(&archive)?.len() / 1_000_000;
        eprintln!(
            "{kind}: {megabytes} MB exported in {:.1} s, imported in {:.1} s",
            exported.as_secs_f64(),
            begun.elapsed().saturating_sub(exported).as_secs_f64()
        );
        std::fs::remove_file(&archive)?;
    }
    Ok(there)
}

/// The worker ran in a pod on its node, held to what was asked for.
fn in_a_pod(result: &serde_json::Value) -> anyhow::Result<()> {
    let runs = result["runs"].as_array().context("runs")?;
    let worker = runs.iter().find(|r| r["phase"] == "worker");
    let worker = worker.context("a worker's run")?;
    let pod = &worker["pod"];
    ensure!(
        pod["node"] == "cloud0"
            && pod["cpu_max"] == "150000 100000"
            && pod["memory_max"] == (3584_u64 << 20).to_string().as_str()
            && pod["image_id"]
                .as_str()
                .is_some_and(|i| i.starts_with("sha256:")),
        "{worker}"
    );
    let times = pod["times_unix_s"]
        .as_object()
        .context("times of the pod")?;
    let at = |what: &str| times.get(what).and_then(serde_json::Value::as_i64);
    let stages = ["created", "scheduled", "started", "finished"];
    let all: Option<Vec<i64>> = stages.iter().map(|s| at(s)).collect();
    ensure!(
        all.is_some_and(|times| times.is_sorted()),
        "{stages:?} are not all there, or not in this order: {pod}"
    );
    Ok(())
}
