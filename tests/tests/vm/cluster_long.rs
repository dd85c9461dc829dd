//! What takes many minutes: small workers, many pods, several clusters, machines that die.

use crate::{
    cluster::Cluster,
    fixture::{BOOT, VmFixture},
    table::{Body, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::Ctl, results};
use std::{sync::Arc, time::Duration};

/// What takes too long is told by the program itself; this is only against a test without an end.
const CLUSTER: Duration = Duration::from_mins(40);

const NEEDS: &[Need] = &[Need::Kubernetes];

pub(crate) const TESTS: [Test; 2] = [
    Test::new(
        "clusters::four_small_workers_run_twenty_pods",
        NEEDS,
        Body::Alone(many_small_workers),
    )
    .on(When::Long, When::Long),
    Test::new(
        "clusters::two_come_up_at_once_and_one_loses_a_worker",
        NEEDS,
        Body::Alone(two_at_once),
    )
    .on(When::Long, When::Long),
];

/// One control plane and small workers, with an application that sleeps.
fn config(
    vms: &VmFixture,
    name: &str,
    workers: u32,
    worker_mib: u32,
    copies: u32,
) -> anyhow::Result<String> {
    let text = format!(
        r#"
name = "{name}"
[infrastructure]
provider = "auto"
[infrastructure.cloud]
nodes = {}
cores = 1
memory_mib = {worker_mib}
[infrastructure.cloud.controller]
cores = 2
memory_mib = 2560
[software]
resource_manager = "kubernetes"
[benchmark]
application = "empty"
sleep_time_s = 5
worker_cores = 0.15
worker_memory_mib = 96
applications_per_worker = {copies}
cache_worker = true
"#,
        workers + 1
    );
    vms.file(&format!("{name}.toml"), &text)
}

/// The program on a host that says it has so many gigabytes.
pub(crate) fn with_memory(vms: &VmFixture, gigabytes: u64) -> anyhow::Result<Ctl> {
    let kib = gigabytes << 20;
    let memory = format!("MemTotal: {kib} kB\nMemFree: {kib} kB\nMemAvailable: {kib} kB\n");
    let memory = vms.file("meminfo", &memory)?;
    let hide = format!("mount --bind {memory} /proc/meminfo && exec \"$@\"");
    Ok(vms
        .ctl()
        .and_through(&["unshare", "--mount", "sh", "-c", &hide, "sh"]))
}

/// A host of four gigabytes, as far as it says itself, is too small for this; it is told before anything is made.
fn too_small_a_host(vms: &VmFixture, config: &str) -> anyhow::Result<()> {
    let ctl = with_memory(vms, 4)?;
    let said = ctl.refused(5, &["up", config])?;
    for part in [
        "the nodes need",
        "guests 5632 MiB",
        "only 3072 MiB",
        "available 4096 MiB",
    ] {
        ensure!(said.contains(part), "no `{part}` in {said}");
    }
    ensure!(
        !ctl.state().join("deployments/many").exists(),
        "a refused up left something"
    );
    Ok(())
}

/// Four workers of 768 MiB run twenty pods; the table says when each came to be.
fn many_small_workers(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = config(vms, "many", 4, 768, 5)?;
    too_small_a_host(vms, &config)?;
    let cluster = Cluster::new(vms, "many");
    let (dir, text) = vms.results("many");
    let mut run = cluster
        .ctl
        .start("many", &["run", &config, "--keep", "--results", &text])?;
    // It stays up, which counts as something left.
    let code = run.wait(CLUSTER)?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    cluster.check_nodes(5)?;
    let dir = results::only_result(&dir)?;
    let result = results::json(&dir)?;
    eprintln!("many: stages {}", result["stage_times"]);
    let runs = result["runs"].as_array().context("runs")?;
    let pods = runs
        .iter()
        .filter(|r| r["exit"]["code"] == 0 && r["pod"]["pod"].is_string());
    ensure!(pods.count() == 20, "{result}");
    let rows = results::rows(&dir, "pods.csv")?;
    ensure!(rows.len() == 20, "{rows:?}");
    for row in &rows {
        for stage in [
            "kubelet_pod_received (s)",
            "kubelet_applied_sandbox (s)",
            "kubelet_created_container (s)",
            "started_application (s)",
        ] {
            ensure!(row.number::<f64>(stage)? > 0.0, "no {stage} in {row:?}");
        }
    }
    eprintln!("{}", std::fs::read_to_string(dir.join("pods.csv"))?);
    cluster.ctl.expect(0, &["down", "many"])?;
    vms.check_nothing_left()
}

/// Two clusters come up at once; a worker of one dies while it joins. The other does not mind; the same `up` again
/// mends it; a full disk is told as what it is.
fn two_at_once(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let (first, second) = (
        config(vms, "first", 1, 1536, 1)?,
        config(vms, "second", 1, 1536, 1)?,
    );
    let cluster = Cluster::new(vms, "first");
    // A program that is dropped takes everything down, so both live until the end.
    let other = Cluster::new(vms, "second");
    let ctl = &cluster.ctl;
    let mut ups = [
        ctl.start("first", &["up", &first])?,
        ctl.start("second", &["up", &second])?,
    ];
    ups[1].wait_for("cloud0: kubeadm join running", BOOT)?;
    vms.kill(ctl, "second", "cloud0")?;
    let code = ups[1].wait(CLUSTER)?;
    let said = ups[1].said();
    ensure!(
        code != 0 && last_error(&said).contains("cloud0"),
        "exit {code}: {said}"
    );
    eprintln!(
        "a worker killed while it joins: exit {code}: {}",
        last_error(&said)
    );
    let code = ups[0].wait(CLUSTER)?;
    ensure!(code == 0, "exit {code}: {}", ups[0].said());
    cluster.check_nodes(2)?;
    ctl.expect(0, &["up", &second])?;
    other.check_nodes(2)?;
    ctl.expect(0, &["down", "second"])?;
    full_disk(&cluster, &first)?;
    ctl.expect(0, &["down", "first"])?;
    vms.check_nothing_left()
}

fn last_error(said: &str) -> &str {
    said.lines()
        .rfind(|l| l.contains("error:"))
        .unwrap_or_default()
}

fn full_disk(cluster: &Cluster, config: &str) -> anyhow::Result<()> {
    // More than the disk has; what fits stays.
    let fill = ["dd", "if=/dev/zero", "of=/var/filler", "bs=1M"];
    let _full = cluster.try_on("cloud0", &fill)?;
    let pressure = [
        "wait",
        "--for=condition=DiskPressure",
        "--timeout=240s",
        "node/cloud0",
    ];
    cluster.kubectl(&pressure)?;
    let said = cluster.ctl.refused(5, &["bench", config])?;
    ensure!(
        said.contains("node cloud0 is not ready: DiskPressure: "),
        "{said}"
    );
    eprintln!("a full disk: {}", last_error(&said));
    cluster.on("cloud0", &["rm", "/var/filler"])?;
    let relief = [
        "wait",
        "--for=condition=DiskPressure=False",
        "--timeout=600s",
        "node/cloud0",
    ];
    cluster.kubectl(&relief)?;
    // What the node gave up to get room is brought again.
    let (dir, text) = cluster.vms.results("after-full");
    let bench = ["bench", config, "--results", &text];
    cluster.ctl.expect(0, &bench)?;
    let rows = results::rows(&results::only_result(&dir)?, "pods.csv")?;
    ensure!(rows.len() == 1, "{rows:?}");
    Ok(())
}
