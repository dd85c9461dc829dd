//! What a cluster takes at least: plain scripts on machines without software.

use crate::{
    cluster::{Cluster, kubectl_program},
    fixture::{Provider, VmFixture},
};
use anyhow::{Context, bail, ensure};
use continuum_tests::{
    ctl::{Ctl, Running},
    skip,
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

pub(crate) fn config(
    vms: &VmFixture,
    name: &str,
    manager: &str,
    infra_only: bool,
) -> anyhow::Result<String> {
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

    /// A script on both nodes.
    fn script(&self, name: &str, text: &str) -> anyhow::Result<[String; 2]> {
        let [one, other] = self.nodes.as_slice() else {
            bail!("{} nodes", self.nodes.len());
        };
        self.cluster.script([&one.0, &other.0], name, text)
    }

    fn start(&self, node: &str, argv: &[&str]) -> anyhow::Result<Running> {
        let label = format!("floor-{node}");
        self.cluster.start(&label, node, "900", argv)
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
pub(crate) fn by_script(vms: &Arc<VmFixture>) -> anyhow::Result<f64> {
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
pub(crate) fn by_edge_script(vms: &Arc<VmFixture>) -> anyhow::Result<f64> {
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
        let program = skip::stored_program(component, file)?;
        let path = floor
            .cluster
            .put(node, &program.display().to_string(), file)?;
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
