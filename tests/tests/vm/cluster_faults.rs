//! What a cluster must survive, or complain about clearly.

use crate::{cluster::Cluster, fixture::wait};
use anyhow::ensure;
use continuum_tests::{process::pause, results};
use std::time::{Duration, Instant};

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const AWAY: &str = "/etc/kubernetes/kube-apiserver.yaml";
/// Three looks of what finds out that nodes are silent.
const STILL: Duration = Duration::from_secs(15);
const SETTLE_DEADLINE: Duration = Duration::from_mins(4);
/// Where an agent keeps what it was sent.
const ARTIFACTS: &str = "/var/lib/continuum-agent/artifacts";

/// What an application's pod runs is gone from the node, the image and the archive that it came from: a bench brings both
/// again.
pub(crate) fn image_gone(
    cluster: &Cluster,
    image: &str,
    bench: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let images = ["ctr", "--namespace=k8s.io", "images"];
    let remove = [&images[..], &["rm", "--sync", image]].concat();
    cluster.on("cloud0", &remove)?;
    cluster.on("cloud0", &["find", ARTIFACTS, "-name", "*.tar", "-delete"])?;
    let list = [&images[..], &["list", "--quiet"]].concat();
    let left = cluster.on("cloud0", &list)?;
    ensure!(!left.contains(image), "{left}");
    bench()?;
    let again = cluster.on("cloud0", &list)?;
    ensure!(again.contains(image), "{again}");
    Ok(())
}

/// The API server goes for a minute while photos are classified: nothing is lost.
pub(crate) fn api_server_gone(
    cluster: &Cluster,
    bench: &[&str],
    photos: usize,
) -> anyhow::Result<()> {
    let (dir, text) = cluster.vms.results("api-server-gone");
    let arguments = [&["bench"][..], bench, &["--results", &text]].concat();
    let mut run = cluster.ctl.start("bench", &arguments)?;
    run.wait_for("workers: done", Duration::from_mins(6))?;
    cluster.on("cloud_controller", &["mv", MANIFEST, AWAY])?;
    wait(Duration::from_mins(1));
    let gone = cluster.kubectl(&["get", "--raw", "/readyz"]);
    cluster.on("cloud_controller", &["mv", AWAY, MANIFEST])?;
    ensure!(gone.is_err(), "the API server answered: {gone:?}");
    let code = run.wait(Duration::from_mins(8))?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    results::check(&results::only_result(&dir)?, photos)?;
    settled(cluster)
}

/// An API server that answers has not finished its start, and ends itself when that takes too long. While it was away all
/// kubelets were silent, which is found out afterwards, and forgotten when they are heard again.
fn settled(cluster: &Cluster) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE_DEADLINE;
    let mut since = None;
    loop {
        let ready = cluster.kubectl(&["get", "--raw", "/readyz"]);
        match ready.and_then(|_| cluster.check_nodes(2)) {
            Ok(()) if since.get_or_insert_with(Instant::now).elapsed() > STILL => return Ok(()),
            Ok(()) => {}
            Err(why) => {
                since = None;
                ensure!(
                    Instant::now() < deadline,
                    "the cluster does not settle: {why:#}"
                );
            }
        }
        // Each look costs what emulated machines need.
        (0..20).for_each(|_| pause());
    }
}

/// An image that no node has and nobody gives is told with the kubelet's reason, long before the run should have ended.
pub(crate) fn image_missing(cluster: &Cluster, config: &str) -> anyhow::Result<()> {
    let (_, text) = cluster.vms.results("no-image");
    let bench = ["bench", config, "--results", &text];
    let mut run = cluster.ctl.start("no-image", &bench)?;
    let code = run.wait(Duration::from_mins(4))?;
    let said = run.said();
    ensure!(
        code == 6
            && said.contains("nowhere.test/app:1")
            && (said.contains("ErrImagePull") || said.contains("ImagePullBackOff")),
        "exit {code}: {said}"
    );
    Ok(())
}

/// A node whose kubelet is silent takes no run; when it speaks again, it does.
pub(crate) fn kubelet_stopped(cluster: &Cluster, bench: &[&str]) -> anyhow::Result<()> {
    cluster.on("cloud0", &["systemctl", "stop", "kubelet"])?;
    let silent = ["wait", "--for=condition=Ready=Unknown", "--timeout=240s"];
    cluster.kubectl(&[&silent[..], &["node/cloud0"]].concat())?;
    let said = cluster.ctl.refused(5, &[&["bench"], bench].concat())?;
    ensure!(
        said.contains("node cloud0 is not ready: Kubelet stopped posting node status"),
        "{said}"
    );
    cluster.on("cloud0", &["systemctl", "start", "kubelet"])?;
    settled(cluster)
}
