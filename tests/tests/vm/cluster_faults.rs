//! What a cluster must survive, or complain about clearly.

use crate::cluster::Cluster;
use anyhow::ensure;
use continuum_tests::results;
use std::time::Duration;

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const AWAY: &str = "/etc/kubernetes/kube-apiserver.yaml";

/// The image is gone from the worker, and the API server goes for a minute while photos are classified: the image comes
/// again, and nothing is lost.
pub(crate) fn image_and_api_server_gone(
    cluster: &Cluster<'_>,
    bench: &[&str],
    photos: usize,
) -> anyhow::Result<()> {
    let image = "continuum.local/workload:0.1.0";
    let remove = ["ctr", "--namespace=k8s.io", "images", "rm", "--sync", image];
    cluster.on("cloud0", &remove)?;
    let (dir, text) = cluster.bed.results("api-server-gone");
    let arguments = [&["bench"][..], bench, &["--results", &text]].concat();
    let mut run = cluster.ctl.start("bench", &arguments)?;
    run.wait_for("cloud0: images done workload", Duration::from_mins(5))?;
    run.wait_for("workers: done", Duration::from_mins(6))?;
    cluster.on("cloud_controller", &["mv", MANIFEST, AWAY])?;
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it is away is what this test is about"
    )]
    std::thread::sleep(Duration::from_mins(1));
    let gone = cluster.kubectl(&["get", "--raw", "/readyz"]);
    cluster.on("cloud_controller", &["mv", AWAY, MANIFEST])?;
    ensure!(gone.is_err(), "the API server answered: {gone:?}");
    let code = run.wait(Duration::from_mins(8))?;
    ensure!(code == 0, "exit {code}: {}", run.said());
    results::check(&results::only_result(&dir)?, photos)
}

/// An image that no node has and nobody gives is told with the kubelet's reason, long before the run should have ended.
pub(crate) fn image_missing(cluster: &Cluster<'_>, config: &str) -> anyhow::Result<()> {
    let (_, text) = cluster.bed.results("no-image");
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
pub(crate) fn kubelet_stopped(cluster: &Cluster<'_>, bench: &[&str]) -> anyhow::Result<()> {
    cluster.on("cloud0", &["systemctl", "stop", "kubelet"])?;
    let silent = ["wait", "--for=condition=Ready=Unknown", "--timeout=240s"];
    cluster.kubectl(&[&silent[..], &["node/cloud0"]].concat())?;
    let said = cluster.ctl.refused(5, &[&["bench"], bench].concat())?;
    ensure!(
        said.contains("node cloud0 is not ready: Kubelet stopped posting node status"),
        "{said}"
    );
    cluster.on("cloud0", &["systemctl", "start", "kubelet"])?;
    let back = ["wait", "--for=condition=Ready", "--timeout=240s"];
    cluster.kubectl(&[&back[..], &["node/cloud0"]].concat())?;
    Ok(())
}
