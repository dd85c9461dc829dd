//! The software stage of `up` against plain scripts on the same image (`floor`), in turn. Not tests: they print a ratio.

use crate::{
    fixture::VmFixture,
    floor::{by_edge_script, by_script, config},
    table::{Body, Need, Test, When},
};
use anyhow::Context;
use continuum_tests::{
    ctl::{Ctl, example},
    results,
};
use std::{sync::Arc, time::Instant};

type Round = fn(&Arc<VmFixture>) -> anyhow::Result<f64>;

const KUBERNETES: &[Need] = &[Need::Benchmark, Need::Kubernetes];

pub(crate) const TESTS: [Test; 5] = [
    Test::new(
        "benchmark_of_the_software_stage",
        KUBERNETES,
        Body::Alone(software_stage),
    )
    .on(When::Always, When::Always),
    Test::new(
        "benchmark_of_the_edge_stage",
        &[Need::Benchmark, Need::Kubernetes, Need::KubeEdge],
        Body::Alone(edge_stage),
    )
    .on(When::Always, When::Always),
    Test::new(
        "benchmark_of_up_until_agents_answer",
        &[Need::Benchmark],
        Body::Alone(three_machines),
    )
    .on(When::Always, When::Never),
    Test::new(
        "benchmark_of_a_photo_beside_the_host",
        &[Need::Benchmark],
        Body::Alone(photos),
    )
    .on(When::Always, When::Never),
    Test::new(
        "benchmark_of_a_cluster_from_nothing",
        KUBERNETES,
        Body::Alone(cluster_from_nothing),
    )
    .on(When::Always, When::Always),
];

const PHOTOS: &str = r#"
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 2048
[software]
resource_manager = "none"
[benchmark]
application = "image_classification"
frequency = 5
duration_s = 20
"#;

/// A hundred photos on the host, by the same programs, and a hundred in a guest, in turn.
fn photos(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let guest = vms.ctl();
    let host = Ctl::new(vms.dir.join("host"));
    let mut medians = [Vec::new(), Vec::new()];
    let mut configs = Vec::new();
    for (provider, ctl) in [("local", &host), (vms.provider.name(), &guest)] {
        let text =
            format!("name = \"photos\"\n[infrastructure]\nprovider = \"{provider}\"\n{PHOTOS}");
        let config = vms.file(&format!("photos-{provider}.toml"), &text)?;
        ctl.expect(0, &["up", &config])?;
        configs.push(config);
    }
    for round in 0..rounds(5) {
        for (who, (ctl, config)) in [&host, &guest].into_iter().zip(&configs).enumerate() {
            let (dir, text) = vms.results(&format!("photos-{who}-{round}"));
            ctl.expect(0, &["bench", config, "--results", &text])?;
            let result = results::json(&results::only_result(&dir)?)?;
            let median = result["stages_ms"]["5_infer"]["p50_ms"].as_f64();
            let median = median.with_context(|| result["stages_ms"].to_string())?;
            medians.get_mut(who).context("one of two")?.push(median);
        }
    }
    let [host_ms, guest_ms] = medians;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    eprintln!(
        "a photo: on the host {host_ms:.2?} ms, in a guest {guest_ms:.2?} ms, ratio of medians {:.3}; load {}",
        crate::fixture::median(guest_ms.clone())? / crate::fixture::median(host_ms.clone())?,
        load.trim()
    );
    host.expect(0, &["down", "photos"])?;
    guest.expect(0, &["down", "photos"])?;
    vms.check_nothing_left()
}

/// The example of a cluster, from nothing until its nodes are ready.
fn cluster_from_nothing(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let ctl = vms.ctl();
    let config = example("kubernetes-cloud.toml");
    let mut seconds = Vec::new();
    for _ in 0..rounds(3) {
        let begun = Instant::now();
        let up = ctl.json(0, &["up", &config])?;
        seconds.push(begun.elapsed().as_secs_f64());
        eprintln!("kubernetes-cloud: stages {}", up["stage_times"]);
        ctl.expect(0, &["down", "kubernetes-cloud"])?;
    }
    let load = std::fs::read_to_string("/proc/loadavg")?;
    eprintln!(
        "kubernetes-cloud from nothing: {}; load {}",
        summary(&seconds),
        load.trim()
    );
    vms.check_nothing_left()
}

/// kubeadm init and join.
fn software_stage(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    in_turn(vms, |vms| by_up(vms, "kubernetes"), by_script)
}

/// The same with cloudcore and edgecore.
fn edge_stage(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    in_turn(vms, |vms| by_up(vms, "kubeedge"), by_edge_script)
}

/// `CONTINUUM_BENCH` is how often.
fn rounds(usual: usize) -> usize {
    let asked = std::env::var("CONTINUUM_BENCH").ok();
    asked.and_then(|r| r.parse().ok()).unwrap_or(usual)
}

/// An edge and two endpoints of the demo, from nothing until their agents answer.
fn three_machines(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let ctl = vms.ctl();
    let config = example("mist-edge.toml");
    let up = ["up", &config, "--set", "infrastructure.endpoint.nodes=2"];
    let (mut until_agents, mut whole) = (Vec::new(), Vec::new());
    // The first has a disk to unpack.
    for round in 0..=rounds(5) {
        let begun = Instant::now();
        let said = ctl.json(0, &up)?;
        let seconds = begun.elapsed().as_secs_f64();
        ctl.expect(0, &["down", "mist-edge"])?;
        if round == 0 {
            eprintln!("once: {seconds:.2} s, stages {}", said["stage_times"]);
            continue;
        }
        let stages = said["stage_times"].as_array().context("stage times")?;
        let named = |name: &str| stages.iter().position(|s| s["stage"] == name);
        let last = named("agents").context("a stage of agents")?;
        let spent = stages
            .iter()
            .take(last + 1)
            .filter_map(|s| s["seconds"].as_f64());
        until_agents.push(spent.sum::<f64>());
        whole.push(seconds);
    }
    let load = std::fs::read_to_string("/proc/loadavg")?;
    eprintln!(
        "up of three machines: agents answer after {}; the whole command {}; load {}",
        summary(&until_agents),
        summary(&whole),
        load.trim()
    );
    Ok(())
}

/// Median and spread.
fn summary(seconds: &[f64]) -> String {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    format!(
        "median {:.2} s ({:.2} to {:.2}, {} runs)",
        at(sorted.len() / 2),
        at(0),
        at(sorted.len().saturating_sub(1)),
        sorted.len()
    )
}

/// Seconds of `up` and of the script, in turn.
fn in_turn(vms: &Arc<VmFixture>, by_up: Round, by_script: Round) -> anyhow::Result<()> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // `CONTINUUM_BENCH` is how often; each round takes about seven minutes under emulation.
    for round in 0..rounds(2) {
        ours.push(by_up(vms).with_context(|| format!("round {round} of up"))?);
        floor.push(by_script(vms).with_context(|| format!("round {round} of the script"))?);
        eprintln!("round {round}: up {ours:.1?} s, script {floor:.1?} s");
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    eprintln!(
        "software and cluster: up {ours:.1?} s, script {floor:.1?} s, ratio of means {:.2}",
        mean(&ours) / mean(&floor)
    );
    Ok(())
}

fn by_up(vms: &Arc<VmFixture>, manager: &str) -> anyhow::Result<f64> {
    let ctl = vms.ctl();
    let config = config(vms, "ours", manager, false)?;
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
