//! What every node of a cluster needs before kubeadm.

use super::{SHORT, Settings, documents, routes};
use crate::{
    error::AgentError,
    install::{InstallSpec, Progress, StepState, container_images},
    system::System,
};

const PROGRAMS: &str = "/usr/local/bin";

fn state(changed: bool) -> StepState {
    if changed {
        StepState::Done
    } else {
        StepState::Unchanged
    }
}

/// Programs, kernel, network of pods, images, kubelet's unit. Each step that is done already changes nothing.
pub(super) async fn prepare(
    settings: &Settings<'_>,
    spec: &InstallSpec,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let mut programs = Vec::new();
    for (artifact, path) in spec
        .artifacts
        .iter()
        .filter(|(a, _)| !a.name.ends_with(".tar"))
    {
        let (from, to) = (
            path.display().to_string(),
            format!("{PROGRAMS}/{}", artifact.name),
        );
        system
            .run(&["install", "--mode=0755", &from, &to], SHORT)
            .await?;
        programs.push(artifact.name.clone());
    }
    progress.report("programs", StepState::Done, programs.join(", "));

    let mut changed = system
        .write(
            "/etc/modules-load.d/kubernetes.conf",
            "br_netfilter\noverlay\n",
            0o644,
        )
        .await?;
    system
        .run(&["modprobe", "--all", "br_netfilter", "overlay"], SHORT)
        .await?;
    changed |= system
        .write("/etc/sysctl.d/90-kubernetes.conf", documents::SYSCTL, 0o644)
        .await?;
    system
        .run(
            &[
                "sysctl",
                "--quiet",
                "--load=/etc/sysctl.d/90-kubernetes.conf",
            ],
            SHORT,
        )
        .await?;
    progress.report("kernel", state(changed), "modules and forwarding");

    let own = system
        .run(&["cat", "/etc/resolv.conf"], SHORT)
        .await
        .unwrap_or_default();
    let names = documents::resolv_conf(&own, settings);
    system.write(documents::RESOLV_CONF, &names, 0o644).await?;
    let mut changed = system
        .write(
            "/etc/cni/net.d/10-continuum.conflist",
            &documents::cni(settings),
            0o644,
        )
        .await?;
    changed |= routes::set(&settings.routes, system).await?;
    changed |= system
        .write(
            "/etc/systemd/system/kubelet.service",
            documents::KUBELET_UNIT,
            0o644,
        )
        .await?;
    if changed {
        system.run(&["systemctl", "daemon-reload"], SHORT).await?;
    }
    system
        .run(
            &["systemctl", "enable", "--quiet", "kubelet.service"],
            SHORT,
        )
        .await?;
    progress.report("network of pods", state(changed), settings.pod_prefix);

    container_images::import(spec, system, progress).await
}

/// Takes away what [`prepare`] and kubeadm made.
pub(super) async fn remove(system: &dyn System, progress: &Progress) -> Result<(), AgentError> {
    if !system.exists("/etc/systemd/system/kubelet.service").await {
        progress.report("node", StepState::Unchanged, "was not installed");
        return Ok(());
    }
    reset(system).await?;
    system
        .run(&["systemctl", "disable", "--now", "kubelet.service"], SHORT)
        .await?;
    routes::unset(system).await?;
    for path in [
        super::DONE,
        documents::RESOLV_CONF,
        "/etc/cni/net.d/10-continuum.conflist",
        "/etc/modules-load.d/kubernetes.conf",
        "/etc/sysctl.d/90-kubernetes.conf",
        "/etc/systemd/system/kubelet.service",
    ] {
        system.remove(path).await?;
    }
    system.run(&["systemctl", "daemon-reload"], SHORT).await?;
    progress.report("node", StepState::Done, "reset and removed");
    Ok(())
}

/// Ends and forgets what an earlier kubeadm left.
pub(super) async fn reset(system: &dyn System) -> Result<(), AgentError> {
    let argv = [
        "kubeadm",
        "reset",
        "--force",
        "--cri-socket=unix:///run/containerd/containerd.sock",
    ];
    system.run(&argv, super::KUBEADM_DEADLINE).await.map(|_| ())
}
