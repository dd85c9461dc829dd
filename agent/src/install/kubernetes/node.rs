//! What every node of a cluster needs before kubeadm.

use super::{SHORT, Settings, kubeadm_config, routes};
use crate::{
    error::AgentError,
    install::{
        InstallSpec, Progress, StepState, container_images, kernel_modules, processor, unit,
    },
    system::System,
};
use std::time::Duration;

pub(in crate::install) const KUBELET: &str = "kubelet.service";
pub(in crate::install) const KUBELET_FILE: &str = "/etc/systemd/system/kubelet.service";
const PROGRAMS: &str = "/usr/local/bin";
/// What its modules are for.
const PURPOSE: &str = "kubernetes";
const SYSCTL: &str = "/etc/sysctl.d/90-kubernetes.conf";
const CNI: &str = "/etc/cni/net.d/10-continuum.conflist";

/// Programs, kernel, network of pods, images, kubelet's unit. Each step that is done already changes nothing.
pub(super) async fn prepare(
    settings: &Settings<'_>,
    spec: &InstallSpec,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    programs(spec, system, progress).await?;
    kernel(system, progress).await?;
    let (address, routes) = (settings.address, &settings.routes);
    pod_network(address, settings.pod_prefix, routes, system, progress).await?;
    system
        .write(KUBELET_FILE, kubeadm_config::KUBELET_UNIT, 0o644)
        .await?;
    unit::enable(KUBELET, system).await?;
    container_images::import(spec, system, progress).await
}

/// Artifacts that are programs go to where programs are.
pub(in crate::install) async fn programs(
    spec: &InstallSpec,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let mut programs = Vec::new();
    let is_data = |name: &str| [".tar", ".yaml"].iter().any(|end| name.ends_with(end));
    for (artifact, path) in spec.artifacts.iter().filter(|(a, _)| !is_data(&a.name)) {
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
    Ok(())
}

/// Modules and settings for the traffic of pods, and what the kubelet reads of the kernel.
pub(in crate::install) async fn kernel(
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    processor::tell_frequency(system, progress).await?;
    let needed = &[kernel_modules::BRIDGE_FILTER, kernel_modules::OVERLAY];
    let mut changed = kernel_modules::load(PURPOSE, needed, system).await?;
    changed |= system.write(SYSCTL, kubeadm_config::SYSCTL, 0o644).await?;
    let load = format!("--load={SYSCTL}");
    system.run(&["sysctl", "--quiet", &load], SHORT).await?;
    progress.report("kernel", changed.into(), "modules and forwarding");
    Ok(())
}

/// A bridge for this node's pods, name servers for them, and the way to the pods of others.
pub(in crate::install) async fn pod_network(
    address: &str,
    pod_prefix: &str,
    others: &[(&str, &str)],
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let own = system
        .run(&["cat", "/etc/resolv.conf"], SHORT)
        .await
        .unwrap_or_default();
    let names = kubeadm_config::resolv_conf(&own, address);
    system
        .write(kubeadm_config::RESOLV_CONF, &names, 0o644)
        .await?;
    let mut changed = system
        .write(CNI, &kubeadm_config::cni(pod_prefix), 0o644)
        .await?;
    changed |= routes::set(others, system).await?;
    progress.report("network of pods", changed.into(), pod_prefix);
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
    system.run(&argv, super::RESET_DEADLINE).await.map(|_| ())
}

/// Its checks refuse what a try that broke off has left.
pub(super) async fn reset_earlier_try(
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let about = "an earlier try did not finish";
    progress.report("kubeadm reset", StepState::Running, about);
    reset(system).await
}

/// Why kubeadm failed, as far as that decides what is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its own checks, which come before it changes anything, and give a container runtime on a busy machine two seconds.
    Checks,
    AddOns,
    /// A node that is Ready in the cluster has the name of this one.
    NameTaken,
    /// Its client waited ten seconds, which an API server that is just starting on a busy machine may well take.
    Busy,
}

/// A kubeadm that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: AgentError,
    /// More than one may be: a check that failed may have waited for an API server.
    reasons: Vec<Reason>,
}

impl Failure {
    pub(super) fn is_for(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason)
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let reasons = match &error {
            AgentError::Program { said, .. } => reasons_in_output_of_kubeadm(said),
            _ => Vec::new(),
        };
        Self { error, reasons }
    }
}

/// kubeadm has one exit code for all failures and no other form of output, so its words are all there is to tell them by.
fn reasons_in_output_of_kubeadm(said: &str) -> Vec<Reason> {
    let words = [
        (Reason::Checks, "error execution phase preflight"),
        (Reason::AddOns, "error execution phase addon"),
        (Reason::NameTaken, "already exists in the cluster"),
        (Reason::Busy, "Client.Timeout exceeded"),
    ];
    let said = words.iter().filter(|(_, words)| said.contains(words));
    said.map(|(reason, _)| *reason).collect()
}

/// Runs kubeadm with a configuration; after the failure `again` it is tried again.
pub(super) async fn kubeadm(
    verb: &[&str],
    config: &str,
    again: Reason,
    patience: Duration,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), Failure> {
    let config = format!("--config={config}");
    let argv = [&["kubeadm"], verb, &[&*config]].concat();
    let deadline = patience + super::BEYOND_PATIENCE;
    let mut tries = 0;
    loop {
        tries += 1;
        match system.run(&argv, deadline).await.map_err(Failure::from) {
            Err(failure) if tries < TRIES && failure.is_for(again) => {
                let words = verb.iter().copied().filter(|word| !word.starts_with("--"));
                let words: Vec<&str> = words.collect();
                let text = format!("`{}` is tried again", words.join(" "));
                progress.report("kubeadm", StepState::Running, text);
            }
            other => return other.map(|_| ()),
        }
    }
}

const TRIES: u32 = 4;
