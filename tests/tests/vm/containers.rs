//! Applications in containers without a cluster.

use crate::{
    cluster::{Cluster, tools_archive},
    fixture::{BOOT, VmFixture},
    table::{Body, Fixture, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use std::{sync::Arc, time::Duration};

const CONFIG: &str = r#"
name = "containers"
[infrastructure]
provider = "qemu"
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 2048
[software]
resource_manager = "none"
services = ["containerd", "docker"]
container_runtime = "containerd"
[benchmark]
application = "image_classification"
frequency = 0.5
duration_s = 12
endpoint_cores = 0.5
endpoint_memory_mib = 1024
"#;

/// One machine with both runtimes.
static MACHINE: Fixture = Fixture {
    name: "containers",
    make: |vms| {
        let config = vms.file("containers.toml", CONFIG)?;
        let cluster = Cluster::new(vms, "containers");
        cluster.ctl.expect(0, &["up", &config])?;
        Ok(cluster)
    },
};

const NEEDS: &[Need] = &[Need::WorkloadImage];

pub(crate) const TESTS: [Test; 4] = [
    Test::new(
        "containers::an_application_of_the_users_own_is_measured",
        &[],
        Body::Alone(own_application),
    )
    .on(When::Always, When::Long),
    Test::new(
        "containers::containerd_holds_an_application_to_its_limits",
        NEEDS,
        Body::With(&MACHINE, |machine| held_to_limits(machine, "containerd")),
    ),
    Test::new(
        "containers::docker_holds_an_application_to_its_limits",
        NEEDS,
        Body::With(&MACHINE, |machine| held_to_limits(machine, "docker")),
    ),
    Test::new(
        "containers::down_leaves_nothing",
        NEEDS,
        Body::End(&MACHINE),
    ),
];

/// Half a core, on one machine with both.
fn held_to_limits(machine: &Cluster, runtime: &str) -> anyhow::Result<()> {
    let (vms, ctl) = (&machine.vms, &machine.ctl);
    let config = vms.dir.join("containers.toml").display().to_string();
    let (dir, text) = vms.results(&format!("containers-{runtime}"));
    let set = format!("software.container_runtime={runtime}");
    let bench = ["bench", &config, "--set", &set, "--results", &text];
    let mut run = ctl.start(runtime, &bench)?;
    run.wait_for("endpoints: done", BOOT)?;
    let list: &[&str] = match runtime {
        "docker" => &["docker", "ps", "--format={{.ID}} {{.Image}} {{.Status}}"],
        _ => &["ctr", "--namespace=k8s.io", "tasks", "list"],
    };
    let exec = ["agent", "containers", "endpoint0", "exec", "--"];
    let running = ctl.expect(0, &[&exec[..], list].concat())?;
    ensure!(
        running.contains("RUNNING") || running.contains("continuum.local/workload:0.1.0 Up"),
        "{running}"
    );
    // The container's group lies below the one that the limits are set on.
    let find = [
        "find",
        "/sys/fs/cgroup/system.slice/continuum-agent.service",
        "-mindepth",
        "2",
    ];
    let groups = ctl.expect(0, &[&exec[..], &find, &["-type", "d"]].concat())?;
    ensure!(
        groups
            .lines()
            .any(|l| l.contains("/run-") && l.contains("-endpoint0/")),
        "{groups}"
    );
    let code = run.wait(Duration::from_mins(5))?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    let dir = results::only_result(&dir)?;
    results::check(&dir, 6)?;
    let result = results::json(&dir)?;
    let run = result["runs"].get(0).context("a run")?;
    ensure!(
        run["limits"]["cpu_max"] == "50000 100000"
            && run["limits"]["memory_max"] == (1024_u64 << 20).to_string().as_str(),
        "{run}"
    );
    let docker = result["facts"]["running docker endpoint0"].as_str();
    ensure!(
        docker.is_some_and(|v| v.starts_with("26.1")),
        "{}",
        result["facts"]
    );
    // What it used was counted in the same group.
    let used = run["exit"]["cpu_us"].as_u64().unwrap_or_default();
    let peak = run["exit"]["memory_peak_bytes"]
        .as_u64()
        .unwrap_or_default();
    eprintln!("{runtime}: {used} us of CPU, {peak} bytes at most");
    // A quick host takes less than a second for all photos.
    ensure!(used > 300_000 && peak > 64 << 20, "{run}");
    Ok(())
}

/// The example of an application of the user's own, in containerd on an edge and an endpoint: its scripts, its metrics.
fn own_application(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let ctl = vms.ctl();
    let archive = tools_archive(vms)?.display().to_string();
    let images = [
        format!("benchmark.worker_image={archive}"),
        format!("benchmark.endpoint_image={archive}"),
    ];
    let (dir, text) = vms.results("own");
    let example = example("own-container.toml");
    let run = [
        "run",
        &example,
        "--set",
        &images[0],
        "--set",
        &images[1],
        "--results",
        &text,
    ];
    let out = ctl.expect(0, &run)?;
    ensure!(
        out.contains("CONTAINER OUTPUT") && out.contains("response_ms"),
        "{out}"
    );
    let result = results::json(&results::only_result(&dir)?)?;
    let row = &result["tables"][0]["rows"][0];
    eprintln!("own application: {row}");
    // Ten seconds, a fifth of a second of rest between answers, a link of 15 ms and more each time.
    ensure!(
        row[0] == "endpoint0" && row[3].as_i64().is_some_and(|n| (5..=50).contains(&n)),
        "{row}"
    );
    ensure!(row[5].as_f64().is_some_and(|ms| ms >= 20.0), "{row}");
    vms.check_nothing_left()
}
