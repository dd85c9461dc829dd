//! `kubeedge-cloudcore`: the cloud's half, on a node that has a control plane.

use super::{SHORT, documents, wait_up};
use crate::{
    error::AgentError,
    install::{
        InstallSpec, Installer, Progress, StepState,
        kubernetes::{node, option},
    },
    system::System,
};

const CONFIG: &str = "/etc/kubeedge/config/cloudcore.yaml";
const RIGHTS: &str = "/etc/kubeedge/rights.json";
const STREAMS: &str = "/etc/kubeedge/streams.nft";
const UNIT: &str = "cloudcore.service";
const UNIT_FILE: &str = "/etc/systemd/system/cloudcore.service";
const ADMIN: &str = "--kubeconfig=/etc/kubernetes/admin.conf";
/// Custom resource definitions, as they came with the release.
const DEFINITIONS: &str = "crds.yaml";

/// cloudcore.
#[derive(Debug)]
pub struct CloudCore;

async fn kubectl(arguments: &[&str], system: &dyn System) -> Result<String, AgentError> {
    let argv = [&["kubectl", ADMIN], arguments].concat();
    system.run(&argv, SHORT).await
}

/// Creates or changes objects so that they are as in a file.
async fn apply(path: &str, system: &dyn System) -> Result<(), AgentError> {
    let file = format!("--filename={path}");
    let how = ["--server-side", "--force-conflicts"];
    kubectl(&[&["apply"], &how[..], &[&file]].concat(), system)
        .await
        .map(|_| ())
}

/// Keeps kube-proxy and `CoreDNS` off edges. While the control plane is new, their pods have hardly begun.
async fn off_edges(system: &dyn System) -> Result<(), AgentError> {
    let addons = [
        ("daemonset/kube-proxy", documents::daemon_set_off_edges()),
        ("deployment/coredns", documents::off_edges()),
    ];
    for (addon, patch) in addons {
        let patch = format!("--patch={patch}");
        kubectl(&["--namespace=kube-system", "patch", addon, &patch], system).await?;
    }
    Ok(())
}

async fn listens(system: &dyn System) -> bool {
    let port = format!("sport = :{}", documents::HTTPS_PORT);
    let listeners = system.run(&["ss", "-Hltn", &port], SHORT).await;
    listeners.is_ok_and(|text| !text.trim().is_empty())
}

#[async_trait::async_trait]
impl Installer for CloudCore {
    fn name(&self) -> &'static str {
        "kubeedge-cloudcore"
    }

    fn summary(&self) -> &'static str {
        "the cloud's half of KubeEdge, beside a control plane of Kubernetes"
    }

    fn needs_own_machine(&self, _spec: &InstallSpec) -> bool {
        true
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(UNIT_FILE).await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let address = option(spec, "address")?;
        let edges: Vec<&str> = option(spec, "edges")?
            .split(',')
            .filter(|e| !e.is_empty())
            .collect();
        let mut changed = false;
        for (path, name, mode) in [
            (documents::CA, "edge_ca_certificate", 0o644),
            (documents::CA_KEY, "edge_ca_key", 0o600),
            (documents::CERTIFICATE, "cloudcore_certificate", 0o644),
            (documents::KEY, "cloudcore_key", 0o600),
            (documents::STREAM_CA, "ca_certificate", 0o644),
        ] {
            changed |= system.write(path, option(spec, name)?, mode).await?;
        }
        let kubeconfig = documents::kubeconfig(
            address,
            option(spec, "ca_certificate")?,
            option(spec, "cloudcore_client_certificate")?,
            option(spec, "cloudcore_client_key")?,
        );
        for (path, text, mode) in [
            (documents::KUBECONFIG, kubeconfig, 0o600),
            (CONFIG, documents::cloudcore(address), 0o600),
            (STREAMS, documents::streams(address, &edges), 0o644),
            (RIGHTS, documents::rights(), 0o644),
            (UNIT_FILE, documents::cloudcore_unit(STREAMS), 0o644),
        ] {
            changed |= system.write(path, &text, mode).await?;
        }
        if !changed && listens(system).await {
            progress.report("cloudcore", StepState::Unchanged, "it listens");
            return Ok(());
        }
        node::programs(spec, system, progress).await?;
        off_edges(system).await?;
        let about = "kube-proxy and CoreDNS stay off edges";
        progress.report("add-ons", StepState::Done, about);
        for (artifact, path) in &spec.artifacts {
            if artifact.name == DEFINITIONS {
                apply(&path.display().to_string(), system).await?;
            }
        }
        apply(RIGHTS, system).await?;
        progress.report("definitions and rights", StepState::Done, "applied");
        system.run(&["systemctl", "daemon-reload"], SHORT).await?;
        system
            .run(&["systemctl", "enable", "--quiet", UNIT], SHORT)
            .await?;
        system.run(&["systemctl", "restart", UNIT], SHORT).await?;
        let port = documents::HTTPS_PORT;
        let waits = format!("waits for port {port}");
        progress.report("cloudcore", StepState::Running, waits);
        wait_up("cloudcore", || listens(system), &[], system).await?;
        progress.report("cloudcore", StepState::Done, "it listens");
        Ok(())
    }

    async fn remove(&self, system: &dyn System, progress: &Progress) -> Result<(), AgentError> {
        if !system.exists(UNIT_FILE).await {
            progress.report("cloudcore", StepState::Unchanged, "was not installed");
            return Ok(());
        }
        system
            .run(&["systemctl", "disable", "--now", UNIT], SHORT)
            .await?;
        let table = ["nft", "destroy", "table", "ip", "continuum-kubeedge"];
        system.run(&table, SHORT).await?;
        for path in [
            UNIT_FILE,
            CONFIG,
            RIGHTS,
            STREAMS,
            documents::KUBECONFIG,
            documents::CA,
            documents::CA_KEY,
            documents::CERTIFICATE,
            documents::KEY,
            documents::STREAM_CA,
        ] {
            system.remove(path).await?;
        }
        system.run(&["systemctl", "daemon-reload"], SHORT).await?;
        progress.report("cloudcore", StepState::Done, "stopped and removed");
        Ok(())
    }
}
