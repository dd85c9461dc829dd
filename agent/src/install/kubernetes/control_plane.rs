//! `kubernetes-control-plane`: API server, etcd, scheduler and controller manager as static pods.

use super::{CA, DONE, Settings, documents, explain, node, option};
use crate::{
    error::AgentError,
    install::{InstallSpec, Installer, Progress, StepState},
    system::System,
};

const CONFIG: &str = "/etc/kubernetes/continuum-init.yaml";

const ADDONS_FAILED: &str = "error execution phase addon";

/// The first node of a cluster.
#[derive(Debug)]
pub struct ControlPlane;

#[async_trait::async_trait]
impl Installer for ControlPlane {
    fn name(&self) -> &'static str {
        "kubernetes-control-plane"
    }

    fn summary(&self) -> &'static str {
        "the control plane of Kubernetes, by kubeadm init"
    }

    fn needs_own_machine(&self, _spec: &InstallSpec) -> bool {
        true
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
        let settings = Settings::read(spec)?;
        let (ca, key) = (option(spec, "ca_certificate")?, option(spec, "ca_key")?);
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
            progress.report(
                "kubeadm reset",
                StepState::Running,
                "an earlier try did not finish",
            );
            node::reset(system).await?;
        }
        // kubeadm takes a CA that is there for its own.
        system.write(CA, ca, 0o644).await?;
        system
            .write("/etc/kubernetes/pki/ca.key", key, 0o600)
            .await?;
        system
            .write(CONFIG, &documents::init(&settings), 0o600)
            .await?;
        progress.report(
            "kubeadm init",
            StepState::Running,
            format!("version {}", settings.version),
        );
        let mut made = node::kubeadm(&["init"], CONFIG, node::CHECK_FAILED, system, progress).await;
        if let Err(error) = &made
            && error.to_string().contains(ADDONS_FAILED)
        {
            // The API server is still busy with its own start, and kubeadm's client gives up after ten seconds.
            let addons = ["init", "phase", "addon", "all"];
            made = node::kubeadm(&addons, CONFIG, ADDONS_FAILED, system, progress).await;
        }
        if let Err(error) = made {
            return Err(explain(system, error).await);
        }
        system.write(DONE, settings.version, 0o644).await?;
        progress.report("kubeadm init", StepState::Done, "the API server answers");
        Ok(())
    }

    async fn remove(&self, system: &dyn System, progress: &Progress) -> Result<(), AgentError> {
        node::remove(system, progress).await?;
        system.remove(CONFIG).await
    }
}
