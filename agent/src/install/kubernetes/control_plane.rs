//! `kubernetes-control-plane`: API server, etcd, scheduler and controller manager as static pods.

use super::{
    CA, DONE, OPTIONS, SHORT, Settings, explain, kubeadm_config,
    node::{self, Failure, Reason},
    option,
};
use crate::{
    error::AgentError,
    install::{InstallSpec, Installer, Progress, StepState},
    machine::Policy,
    system::System,
};
use continuum_common::wait::Wait;
use std::time::Duration;
use tokio::time::Instant;

const CONFIG: &str = "/etc/kubernetes/continuum-init.yaml";

/// What comes before an API server: certificates, etcd, the API server itself, the kubelet. A controller manager that
/// starts at the same time takes the cores from it, gives up on it after ten seconds, and is then held back by the
/// kubelet, longer each time.
const UNTIL_API_SERVER: &str = "--skip-phases=control-plane/controller-manager,control-plane/scheduler,\
    wait-control-plane,upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,\
    show-join-command";
/// All others. `kubelet-finalize` would only start the kubelet anew, for it to read its certificate from another file.
const SINCE_API_SERVER: &str = "--skip-phases=preflight,certs,kubeconfig,etcd,control-plane/apiserver,kubelet-start,\
    kubelet-finalize,show-join-command";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So that somebody who watches sees what it waits for.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// The first node of a cluster.
#[derive(Debug)]
pub(crate) struct ControlPlane;

/// Has the kernel's scheduler change from one program to another less often, where that is worth it.
async fn lengthen_turns(
    policy: &Policy,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    if policy.has_long_turns {
        system
            .write(
                kubeadm_config::SCHEDULER,
                kubeadm_config::SCHEDULER_TEXT,
                0o644,
            )
            .await?;
        let mount = ["mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug"];
        let write = ["systemd-tmpfiles", "--create", kubeadm_config::SCHEDULER];
        // Mounted already is fine; and without it everything works, slower.
        let _mounted = system.run(&mount, SHORT).await;
        let (state, text) = match system.run(&write, SHORT).await {
            Ok(_) => (
                StepState::Done,
                "changes less often from one program to another".to_owned(),
            ),
            Err(error) => (StepState::Unchanged, format!("stays as it is: {error}")),
        };
        progress.report("scheduler", state, text);
    }
    Ok(())
}

/// `kubeadm init` in two parts.
async fn init(
    settings: &Settings<'_>,
    ca: &str,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), Failure> {
    let (again, patience) = (Reason::Checks, settings.policy.patience);
    let first = ["init", UNTIL_API_SERVER];
    node::kubeadm(&first, CONFIG, again, patience, system, progress).await?;
    wait_for_api_server(settings, ca, system, progress).await?;
    let rest = ["init", SINCE_API_SERVER];
    node::kubeadm(&rest, CONFIG, again, patience, system, progress).await
}

/// What an API server is waited for, in a line. It lists each of its parts: `[+]ping ok`, `[-]etcd failed: …`.
fn plain(seen: &str) -> String {
    let missing = seen.lines().filter_map(|line| {
        let part = line.trim().split_once("[-]")?.1;
        part.split_whitespace().next()
    });
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        let parts = missing.join(", ");
        return format!("these parts of it are not ready yet: {parts}");
    }
    if seen.contains("refused") {
        return "it does not listen yet".to_owned();
    }
    seen.lines().next().unwrap_or_default().to_owned()
}

/// Waits until it says that it is healthy, which it does when the rights of everybody are written.
async fn wait_for_api_server(
    settings: &Settings<'_>,
    ca: &str,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let socket = format!("{}:6443", settings.address);
    let mut wait = Wait::new(
        format!("the API server at {socket} to be healthy"),
        settings.policy.patience,
        LOOK_EVERY,
    );
    let say = |text| progress.report("kubeadm init", StepState::Running, text);
    say(format!("waits until the API server at {socket} is healthy"));
    let mut say_at = Instant::now() + SAY_EVERY;
    let mut said = String::new();
    loop {
        let Err(seen) = system.answers(&socket, "/livez", ca).await else {
            return Ok(());
        };
        if Instant::now() >= say_at {
            say_at += SAY_EVERY;
            let why = plain(&seen);
            if said != why {
                say(format!("still waits for the API server at {socket}: {why}"));
                said = why;
            }
        }
        wait.again(seen).await?;
    }
}

#[async_trait::async_trait]
impl Installer for ControlPlane {
    fn name(&self) -> &'static str {
        "kubernetes-control-plane"
    }

    fn options(&self) -> Vec<&'static str> {
        [&OPTIONS[..], &["ca_certificate", "ca_key"]].concat()
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(DONE).await && system.exists(CONFIG).await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let settings = Settings::read(spec, system).await?;
        let (ca, key) = (option(spec, "ca_certificate")?, option(spec, "ca_key")?);
        lengthen_turns(settings.policy, system, progress).await?;
        if system.exists(DONE).await {
            progress.report(
                "kubeadm init",
                StepState::Unchanged,
                "the control plane is there",
            );
            return Ok(());
        }
        node::prepare(&settings, spec, system, progress).await?;
        if system
            .exists("/etc/kubernetes/manifests/kube-apiserver.yaml")
            .await
        {
            node::reset_earlier_try(system, progress).await?;
        }
        // kubeadm takes a CA that is there for its own.
        system.write(CA, ca, 0o644).await?;
        system
            .write("/etc/kubernetes/pki/ca.key", key, 0o600)
            .await?;
        for (path, text) in kubeadm_config::patches() {
            system.write(&path, &text, 0o644).await?;
        }
        system
            .write(CONFIG, &kubeadm_config::init(&settings), 0o600)
            .await?;
        progress.report(
            "kubeadm init",
            StepState::Running,
            format!("version {}", settings.version),
        );
        let mut made = init(&settings, ca, system, progress).await;
        if let Err(failure) = &made
            && failure.is_for(Reason::AddOns)
        {
            // The API server is still busy with its own start, and kubeadm's client gives up after ten seconds.
            let addons = ["init", "phase", "addon", "all"];
            let patience = settings.policy.patience;
            made = node::kubeadm(&addons, CONFIG, Reason::AddOns, patience, system, progress).await;
        }
        if let Err(failure) = made {
            return Err(explain(system, failure.error).await);
        }
        system.write(DONE, settings.version, 0o644).await?;
        progress.report("kubeadm init", StepState::Done, "the API server answers");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_server_that_is_not_healthy_is_told_by_its_parts_in_a_line() {
        let livez = "answered 500: [+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n\
                     [-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nlivez check failed";
        assert_eq!(
            plain(livez),
            "these parts of it are not ready yet: etcd, poststarthook/rbac/bootstrap-roles"
        );
        let refused =
            "error trying to connect: tcp connect error: Connection refused (os error 111)";
        assert_eq!(plain(refused), "it does not listen yet");
        assert_eq!(
            plain("no answer within 20 s\nmore"),
            "no answer within 20 s"
        );
    }
}
