//! The software stage of `up` against plain scripts on the same image, in turn. Not tests: they print a ratio.

use crate::{
    cluster::{Cluster, kubectl_program},
    fixture::{Provider, VmFixture},
    table::{Body, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, Running, example},
    results, skip,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Two nodes with a manager, or without anything: then no node is the controller, so that all of a tier are alike.
const CONFIG: &str = r#"
[infrastructure]
provider = "auto"
infra_only = INFRA_ONLY
[infrastructure.cloud]
nodes = CLOUDS
cores = CORES
memory_mib = 2560
[infrastructure.edge]
nodes = EDGES
cores = 1
memory_mib = 1536
[software]
resource_manager = "MANAGER"
resource_manager_only = true
"#;
const DEADLINE: Duration = Duration::from_mins(15);
const PODS: [&str; 2] = ["10.244.0.0/24", "10.244.1.0/24"];

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

fn config(vms: &VmFixture, name: &str, manager: &str, infra_only: bool) -> anyhow::Result<String> {
    let (clouds, edges) = if manager == "kubeedge" {
        ("1", "1")
    } else {
        ("2", "0")
    };
    // A guest kernel for one processor is the faster one.
    let cores = if vms.provider == Provider::Uml {
        "1"
    } else {
        "2"
    };
    let text = CONFIG
        .replace("INFRA_ONLY", if infra_only { "true" } else { "false" })
        .replace("CLOUDS", clouds)
        .replace("CORES", cores)
        .replace("EDGES", edges)
        .replace("MANAGER", manager);
    let text = format!("name = \"{name}\"\n{text}");
    vms.file(&format!("{name}.toml"), &text)
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

/// Machines without software, for a script.
struct Floor {
    cluster: Cluster,
    config: String,
    /// Names and addresses.
    nodes: Vec<(String, String)>,
}

impl Floor {
    fn up(vms: &Arc<VmFixture>, manager: &str) -> anyhow::Result<Self> {
        let name = "floor";
        let cluster = Cluster::new(vms, name);
        let config = config(vms, name, manager, true)?;
        cluster.ctl.expect(0, &["up", &config])?;
        let status = cluster.ctl.json(0, &["status", name])?;
        let text = |v: &serde_json::Value| v.as_str().map(str::to_owned).context("a text");
        let mut nodes = Vec::new();
        for node in status["nodes"].as_array().context("nodes")? {
            nodes.push((text(&node["node"])?, text(&node["address"])?));
        }
        ensure!(nodes.len() == 2, "{status}");
        Ok(Self {
            cluster,
            config,
            nodes,
        })
    }

    fn ctl(&self) -> &Ctl {
        &self.cluster.ctl
    }

    fn put(&self, node: &str, file: &std::path::Path, name: &str) -> anyhow::Result<String> {
        let file = file.display().to_string();
        let put = ["agent", &*self.cluster.name, node, "put", &file, name];
        let path = self.ctl().json(0, &put)?["path"].clone();
        path.as_str().map(str::to_owned).context("a path")
    }

    /// A script on both nodes.
    fn script(&self, name: &str, text: &str) -> anyhow::Result<Vec<String>> {
        self.cluster.vms.file(name, text)?;
        let script = self.cluster.vms.dir.join(name);
        let nodes = self.nodes.iter();
        nodes
            .map(|(node, _)| self.put(node, &script, name))
            .collect()
    }

    fn start(&self, node: &str, argv: &[&str]) -> anyhow::Result<Running> {
        let name = &*self.cluster.name;
        let exec = ["agent", name, node, "exec", "--timeout-s", "900", "--"];
        let label = format!("floor-{node}");
        self.ctl().start(&label, &[&exec[..], argv].concat())
    }

    /// Where `kubectl` finds the cluster that the script made.
    fn kubeconfig(&self) -> anyhow::Result<String> {
        let admin = self
            .cluster
            .vms
            .dir
            .join("floor.conf")
            .display()
            .to_string();
        let show = ["cat", "/etc/kubernetes/admin.conf"];
        let text = self.cluster.on(&self.nodes[0].0, &show)?;
        std::fs::write(&admin, text)?;
        Ok(admin)
    }

    /// A node appears some time after it joined.
    fn wait_there(&self, admin: &str, node: &str) -> anyhow::Result<()> {
        let wait = ["wait", "--for=create", "--timeout=600s", node];
        let argv = [&["--kubeconfig", admin][..], &wait].concat();
        self.cluster
            .vms
            .inside(&kubectl_program()?, &argv)
            .map(|_| ())
    }

    fn wait_ready(&self, admin: &str, nodes: &[&str]) -> anyhow::Result<()> {
        let wait = ["wait", "--for=condition=Ready", "--timeout=600s"];
        let argv = [&["--kubeconfig", admin][..], &wait, nodes].concat();
        self.cluster
            .vms
            .inside(&kubectl_program()?, &argv)
            .map(|_| ())
    }

    fn down(&self) -> anyhow::Result<()> {
        self.ctl().expect(0, &["down", &self.config]).map(|_| ())
    }
}

/// Both nodes at once, then until both are ready.
fn by_script(vms: &Arc<VmFixture>) -> anyhow::Result<f64> {
    let floor = Floor::up(vms, "kubernetes")?;
    let placed = floor.script("floor.sh", include_str!("floor.sh"))?;
    let [(control, control_at), (worker, worker_at)] = &floor.nodes[..] else {
        anyhow::bail!("two nodes")
    };
    let begun = Instant::now();
    let name = "cloud-controller";
    let mut runs = [
        floor.start(
            control,
            &[
                "bash", &placed[0], "control", name, control_at, control_at, PODS[0], PODS[1],
                worker_at,
            ],
        )?,
        floor.start(
            worker,
            &[
                "bash", &placed[1], "worker", worker, worker_at, control_at, PODS[1], PODS[0],
                control_at,
            ],
        )?,
    ];
    for run in &mut runs {
        ensure!(run.wait(DEADLINE)? == 0, "{}", run.said());
    }
    let admin = floor.kubeconfig()?;
    let joined = format!("node/{worker}");
    floor.wait_there(&admin, &joined)?;
    floor.wait_ready(&admin, &["node/cloud-controller", &joined])?;
    let seconds = begun.elapsed().as_secs_f64();
    floor.down()?;
    Ok(seconds)
}

/// The control plane, cloudcore beside it, then edgecore with the token that cloudcore made, until both are ready.
fn by_edge_script(vms: &Arc<VmFixture>) -> anyhow::Result<f64> {
    let floor = Floor::up(vms, "kubeedge")?;
    let placed = floor.script("floor.sh", include_str!("floor.sh"))?;
    let edge_placed = floor.script("floor_edge.sh", include_str!("floor_edge.sh"))?;
    let [(control, control_at), (edge, edge_at)] = &floor.nodes[..] else {
        anyhow::bail!("two nodes")
    };
    let begun = Instant::now();
    let mut files = String::new();
    for (node, component, file) in [
        (control, "kubernetes", "kubectl"),
        (control, "kubeedge", "cloudcore"),
        (control, "kubeedge", "crds.yaml"),
        (edge, "kubeedge", "edgecore"),
    ] {
        let path = floor.put(node, &skip::stored_program(component, file)?, file)?;
        let (dir, _) = path.rsplit_once('/').context("a directory")?;
        dir.clone_into(&mut files);
    }
    let argv = [
        "bash", &placed[0], "control", control, control_at, control_at, PODS[0], PODS[1], edge_at,
    ]
    .map(|word| {
        if word == control {
            "cloud-controller"
        } else {
            word
        }
    });
    let mut run = floor.start(control, &argv)?;
    ensure!(run.wait(DEADLINE)? == 0, "{}", run.said());
    let argv = [
        "bash",
        &edge_placed[0],
        "cloud",
        control,
        control_at,
        control_at,
        PODS[0],
        &files,
    ];
    let said = floor.cluster.on(control, &argv)?;
    let token = said
        .lines()
        .next_back()
        .context("a token")?
        .trim()
        .to_owned();
    let argv = [
        "bash",
        &edge_placed[1],
        "edge",
        edge,
        edge_at,
        control_at,
        PODS[1],
        &files,
        &token,
    ];
    floor.cluster.on(edge, &argv)?;
    let admin = floor.kubeconfig()?;
    floor.wait_there(&admin, "node/edge0")?;
    floor.wait_ready(&admin, &["node/cloud-controller", "node/edge0"])?;
    let seconds = begun.elapsed().as_secs_f64();
    floor.down()?;
    Ok(seconds)
}
