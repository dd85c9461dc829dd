//! A real cluster by kubeadm.

use crate::bed::Bed;
use anyhow::ensure;
use continuum_tests::skip;

/// A real cluster of two machines, without anything to run in it yet.
const CLUSTER: &str = r#"
name = "cluster"
[infrastructure]
provider = "qemu"
[infrastructure.cloud]
nodes = 2
cores = 1
memory_mib = 1536
[infrastructure.cloud.controller]
cores = 2
memory_mib = 2560
[network]
preset = "4g"
[software]
resource_manager = "kubernetes"
resource_manager_only = true
"#;

/// kubeadm's Kubernetes from the store: two nodes ready, a pod runs on the worker, `up` again changes nothing.
pub(crate) fn kubernetes(bed: &Bed) -> anyhow::Result<()> {
    let ctl = bed.ctl();
    let config = bed.dir.join("cluster.toml");
    std::fs::write(&config, CLUSTER)?;
    let config = config.display().to_string();
    let up = ctl.json(0, &["up", &config])?;
    eprintln!("stages {}", up["stage_times"]);
    let kubeconfig = bed
        .dir
        .join("state/deployments/cluster/kubeconfig")
        .display()
        .to_string();
    let program = skip::stored_program("kubernetes", "kubectl")?
        .display()
        .to_string();
    let kubectl = |arguments: &[&str]| {
        let common = ["--kubeconfig", &*kubeconfig, "--request-timeout=60s"];
        bed.inside(&program, &[&common[..], arguments].concat())
    };
    let nodes = kubectl(&["get", "nodes", "--no-headers"])?;
    let ready = nodes
        .lines()
        .filter(|l| l.contains(" Ready ") && l.contains("v1.35.4"))
        .count();
    ensure!(ready == 2, "{nodes}");
    let again = ctl.expect(0, &["up", &config])?;
    ensure!(
        again.contains("nothing was changed") && again.contains("kubectl --kubeconfig"),
        "{again}"
    );
    kubectl(&[
        "run",
        "sleeper",
        "--image=continuum.local/pause:1.0.0",
        "--image-pull-policy=Never",
        "--restart=Never",
    ])?;
    kubectl(&[
        "wait",
        "--for=condition=Ready",
        "--timeout=240s",
        "pod/sleeper",
    ])?;
    let node = kubectl(&[
        "get",
        "pod",
        "sleeper",
        "-o",
        "jsonpath={.spec.nodeName} {.status.podIP}",
    ])?;
    ensure!(node.starts_with("cloud0 10.244.1."), "{node}");
    // The cluster's own pods, kube-proxy by nftables and CoreDNS among them.
    kubectl(&[
        "wait",
        "--namespace=kube-system",
        "--for=condition=Ready",
        "--timeout=300s",
        "pod",
        "--all",
    ])?;
    ctl.expect(0, &["down", &config])?;
    bed.check_nothing_left()
}
