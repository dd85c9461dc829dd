//! Applications in containers without a cluster.

use crate::{
    bed::{BOOT, Bed},
    cluster::tools_archive,
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use std::time::Duration;

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

/// The same application in containerd and in docker on one machine, held to half a core by both.
pub(crate) fn both_runtimes(bed: &Bed) -> anyhow::Result<()> {
    let ctl = bed.ctl();
    let config = bed.dir.join("containers.toml");
    std::fs::write(&config, CONFIG)?;
    let config = config.display().to_string();
    ctl.expect(0, &["up", &config])?;
    for runtime in ["containerd", "docker"] {
        let (dir, text) = bed.results(&format!("containers-{runtime}"));
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
        ensure!(used > 1_000_000 && peak > 64 << 20, "{run}");
    }
    ctl.expect(0, &["down", &config])?;
    bed.check_nothing_left()
}

/// The example of an application of the user's own, in containerd on an edge and an endpoint: its scripts, its metrics.
pub(crate) fn own_application(bed: &Bed) -> anyhow::Result<()> {
    let ctl = bed.ctl();
    let archive = tools_archive(bed)?.display().to_string();
    let images = [
        format!("benchmark.worker_image={archive}"),
        format!("benchmark.endpoint_image={archive}"),
    ];
    let (dir, text) = bed.results("own");
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
    bed.check_nothing_left()
}
