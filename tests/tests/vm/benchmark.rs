//! The software stage of `up` against plain scripts on the same image, in turn. Not tests: they print a ratio.

use crate::{bed::Bed, cluster::Cluster};
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, Running},
    skip,
};
use std::time::{Duration, Instant};

/// Two nodes with a manager, or without anything: then no node is the controller, so that all of a tier are alike.
const CONFIG: &str = r#"
[infrastructure]
provider = "qemu"
infra_only = INFRA_ONLY
[infrastructure.cloud]
nodes = CLOUDS
cores = 2
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

type Round = fn(&Bed) -> anyhow::Result<f64>;

/// kubeadm init and join.
pub(crate) fn software_stage(bed: &Bed) -> anyhow::Result<()> {
    in_turn(bed, |bed| by_up(bed, "kubernetes"), by_script)
}

/// The same with cloudcore and edgecore.
pub(crate) fn edge_stage(bed: &Bed) -> anyhow::Result<()> {
    in_turn(bed, |bed| by_up(bed, "kubeedge"), by_edge_script)
}

/// Seconds of `up` and of the script, in turn.
fn in_turn(bed: &Bed, by_up: Round, by_script: Round) -> anyhow::Result<()> {
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

fn config(bed: &Bed, name: &str, manager: &str, infra_only: bool) -> anyhow::Result<String> {
    let path = bed.dir.join(format!("{name}.toml"));
    let (clouds, edges) = if manager == "kubeedge" {
        ("1", "1")
    } else {
        ("2", "0")
    };
    let text = CONFIG
        .replace("INFRA_ONLY", if infra_only { "true" } else { "false" })
        .replace("CLOUDS", clouds)
        .replace("EDGES", edges)
        .replace("MANAGER", manager);
    std::fs::write(&path, format!("name = \"{name}\"\n{text}"))?;
    Ok(path.display().to_string())
}

fn by_up(bed: &Bed, manager: &str) -> anyhow::Result<f64> {
    let ctl = bed.ctl();
    let config = config(bed, "ours", manager, false)?;
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
struct Floor<'a> {
    bed: &'a Bed,
    cluster: Cluster<'a>,
    config: String,
    /// Names and addresses.
    nodes: Vec<(String, String)>,
}

impl<'a> Floor<'a> {
    fn up(bed: &'a Bed, manager: &str) -> anyhow::Result<Self> {
        let name = "floor";
        let cluster = Cluster::new(bed, name)?;
        let config = config(bed, name, manager, true)?;
        cluster.ctl.expect(0, &["up", &config])?;
        let status = cluster.ctl.json(0, &["status", name])?;
        let text = |v: &serde_json::Value| v.as_str().map(str::to_owned).context("a text");
        let mut nodes = Vec::new();
        for node in status["nodes"].as_array().context("nodes")? {
            nodes.push((text(&node["node"])?, text(&node["address"])?));
        }
        ensure!(nodes.len() == 2, "{status}");
        Ok(Self {
            bed,
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
        let put = ["agent", self.cluster.name, node, "put", &file, name];
        let path = self.ctl().json(0, &put)?["path"].clone();
        path.as_str().map(str::to_owned).context("a path")
    }

    /// A script on both nodes.
    fn script(&self, name: &str, text: &str) -> anyhow::Result<Vec<String>> {
        let script = self.bed.dir.join(name);
        std::fs::write(&script, text)?;
        let nodes = self.nodes.iter();
        nodes
            .map(|(node, _)| self.put(node, &script, name))
            .collect()
    }

    fn start(&self, node: &str, argv: &[&str]) -> anyhow::Result<Running> {
        let name = self.cluster.name;
        let exec = ["agent", name, node, "exec", "--timeout-s", "900", "--"];
        let label = format!("floor-{node}");
        self.ctl().start(&label, &[&exec[..], argv].concat())
    }

    /// Where `kubectl` finds the cluster that the script made.
    fn kubeconfig(&self) -> anyhow::Result<String> {
        let admin = self.bed.dir.join("floor.conf").display().to_string();
        let show = ["cat", "/etc/kubernetes/admin.conf"];
        let text = self.cluster.on(&self.nodes[0].0, &show)?;
        std::fs::write(&admin, text)?;
        Ok(admin)
    }

    /// A node appears some time after it joined.
    fn wait_there(&self, admin: &str, node: &str) -> anyhow::Result<()> {
        let wait = ["wait", "--for=create", "--timeout=600s", node];
        let argv = [&["--kubeconfig", admin][..], &wait].concat();
        self.bed
            .inside(self.cluster.kubectl_program(), &argv)
            .map(|_| ())
    }

    fn wait_ready(&self, admin: &str, nodes: &[&str]) -> anyhow::Result<()> {
        let wait = ["wait", "--for=condition=Ready", "--timeout=600s"];
        let argv = [&["--kubeconfig", admin][..], &wait, nodes].concat();
        self.bed
            .inside(self.cluster.kubectl_program(), &argv)
            .map(|_| ())
    }

    fn down(&self) -> anyhow::Result<()> {
        self.ctl().expect(0, &["down", &self.config]).map(|_| ())
    }
}

/// Both nodes at once, then until both are ready.
fn by_script(bed: &Bed) -> anyhow::Result<f64> {
    let floor = Floor::up(bed, "kubernetes")?;
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
fn by_edge_script(bed: &Bed) -> anyhow::Result<f64> {
    let floor = Floor::up(bed, "kubeedge")?;
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
