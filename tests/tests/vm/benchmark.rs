//! The software stage of `up` against a plain script on the same image, in turn. Not a test: it prints a ratio.

use crate::{bed::Bed, cluster::Cluster};
use anyhow::{Context, ensure};
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
[infrastructure]
provider = "qemu"
infra_only = INFRA_ONLY
[infrastructure.cloud]
nodes = 2
cores = 1
memory_mib = 1536
[infrastructure.cloud.controller]
cores = 2
memory_mib = 2560
[software]
resource_manager = "kubernetes"
resource_manager_only = true
"#;
const DEADLINE: Duration = Duration::from_mins(15);

/// Seconds of `up` and of the script, in turn.
pub(crate) fn software_stage(bed: &Bed) -> anyhow::Result<()> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // `CONTINUUM_BENCH` is how often; each round takes about seven minutes under emulation.
    let rounds = std::env::var("CONTINUUM_BENCH").ok();
    for round in 0..rounds.and_then(|r| r.parse().ok()).unwrap_or(2) {
        ours.push(by_up(bed).with_context(|| format!("round {round} of up"))?);
        floor.push(by_script(bed).with_context(|| format!("round {round} of the script"))?);
        eprintln!("round {round}: up {ours:.1?} s, script {floor:.1?} s");
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    eprintln!(
        "software and cluster: up {ours:.1?} s, script {floor:.1?} s, ratio of means {:.2}",
        mean(&ours) / mean(&floor)
    );
    Ok(())
}

fn config(bed: &Bed, name: &str, infra_only: bool) -> anyhow::Result<String> {
    let path = bed.dir.join(format!("{name}.toml"));
    let text = CONFIG.replace("INFRA_ONLY", if infra_only { "true" } else { "false" });
    std::fs::write(&path, format!("name = \"{name}\"\n{text}"))?;
    Ok(path.display().to_string())
}

fn by_up(bed: &Bed) -> anyhow::Result<f64> {
    let ctl = bed.ctl();
    let config = config(bed, "ours", false)?;
    let up = ctl.json(0, &["up", &config])?;
    let stages = up["stage_times"].as_array().context("stage times")?;
    eprintln!("up: {}", up["stage_times"]);
    let of = |name: &str| {
        let stage = stages.iter().find(|s| s["stage"] == name);
        stage.and_then(|s| s["seconds"].as_f64()).context("a stage")
    };
    let seconds = of("software")? + of("cluster")?;
    ctl.expect(0, &["down", &config])?;
    Ok(seconds)
}

/// Both nodes at once, then until both are ready.
fn by_script(bed: &Bed) -> anyhow::Result<f64> {
    let name = "floor";
    let cluster = Cluster::new(bed, name)?;
    let ctl = &cluster.ctl;
    let config = config(bed, name, true)?;
    ctl.expect(0, &["up", &config])?;
    let status = ctl.json(0, &["status", name])?;
    let address = |node: usize| {
        let address = status["nodes"][node]["address"].as_str();
        address.map(str::to_owned).context("an address")
    };
    let (control, worker) = (address(0)?, address(1)?);
    let script = bed.dir.join("floor.sh");
    std::fs::write(&script, include_str!("floor.sh"))?;
    let script = script.display().to_string();
    let mut placed = Vec::new();
    for node in ["cloud_controller", "cloud0"] {
        let put = ["agent", name, node, "put", &script, "floor.sh"];
        let path = ctl.json(0, &put)?["path"].clone();
        placed.push(path.as_str().context("a path")?.to_owned());
    }
    let begun = Instant::now();
    let start = |node: &str, path: &str, rest: [&str; 7]| {
        let exec = ["agent", name, node, "exec", "--timeout-s", "900", "--"];
        let argv = [&exec[..], &["bash", path], &rest].concat();
        ctl.start(&format!("floor-{node}"), &argv)
    };
    let pods = ["10.244.0.0/24", "10.244.1.0/24"];
    let (first, second) = (&placed[0], &placed[1]);
    let mut runs = [
        start(
            "cloud_controller",
            first,
            [
                "control",
                "cloud-controller",
                &control,
                &control,
                pods[0],
                pods[1],
                &worker,
            ],
        )?,
        start(
            "cloud0",
            second,
            [
                "worker", "cloud0", &worker, &control, pods[1], pods[0], &control,
            ],
        )?,
    ];
    for run in &mut runs {
        ensure!(run.wait(DEADLINE)? == 0, "{}", run.said());
    }
    let kubectl = cluster.kubectl_program();
    let admin = bed.dir.join("floor.conf").display().to_string();
    let show = ["cat", "/etc/kubernetes/admin.conf"];
    std::fs::write(&admin, cluster.on("cloud_controller", &show)?)?;
    let ready = [
        "--kubeconfig",
        &admin,
        "wait",
        "--for=condition=Ready",
        "--timeout=600s",
    ];
    bed.inside(
        kubectl,
        &[&ready[..], &["node/cloud-controller", "node/cloud0"]].concat(),
    )?;
    let seconds = begun.elapsed().as_secs_f64();
    ctl.expect(0, &["down", &config])?;
    Ok(seconds)
}
