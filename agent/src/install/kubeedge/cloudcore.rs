//! `kubeedge-cloudcore`: the cloud's half, on a node that has a control plane.

use super::{SHORT, bring_up, kubeedge_config};
use crate::{
    error::AgentError,
    install::{
        InstallSpec, Installer, Progress, StepState,
        kubernetes::{node, option},
        unit,
    },
    machine::Machine,
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

#[derive(Debug)]
pub(crate) struct CloudCore;

async fn kubectl(arguments: &[&str], system: &dyn System) -> Result<String, AgentError> {
    let argv = [&["kubectl", ADMIN], arguments].concat();
    system.run(&argv, SHORT).await
}

/// Creates or changes objects so that they are as in files. The server checks them; for a check of its own kubectl would
/// fetch everything that the server knows, which takes a slow machine longer than kubectl waits.
async fn apply(paths: &[String], system: &dyn System) -> Result<(), AgentError> {
    let files: Vec<String> = paths.iter().map(|p| format!("--filename={p}")).collect();
    let mut arguments = vec![
        "apply",
        "--server-side",
        "--force-conflicts",
        "--validate=false",
    ];
    arguments.extend(files.iter().map(String::as_str));
    kubectl(&arguments, system).await.map(|_| ())
}

/// Keeps kube-proxy and `CoreDNS` off edges. While the control plane is new, their pods have hardly begun.
async fn off_edges(system: &dyn System) -> Result<(), AgentError> {
    let addons = [
        (
            "daemonset/kube-proxy",
            kubeedge_config::daemon_set_off_edges(),
        ),
        ("deployment/coredns", kubeedge_config::off_edges()),
    ];
    for (addon, patch) in addons {
        let patch = format!("--patch={patch}");
        kubectl(&["--namespace=kube-system", "patch", addon, &patch], system).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl Installer for CloudCore {
    fn name(&self) -> &'static str {
        "kubeedge-cloudcore"
    }

    fn options(&self) -> Vec<&'static str> {
        vec![
            "address",
            "edges",
            "ca_certificate",
            "edge_ca_certificate",
            "edge_ca_key",
            "cloudcore_certificate",
            "cloudcore_key",
            "cloudcore_client_certificate",
            "cloudcore_client_key",
        ]
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
        let socket = format!("{address}:{}", kubeedge_config::HTTPS_PORT);
        let mut changed = false;
        for (path, name, mode) in [
            (kubeedge_config::CA, "edge_ca_certificate", 0o644),
            (kubeedge_config::CA_KEY, "edge_ca_key", 0o600),
            (kubeedge_config::CERTIFICATE, "cloudcore_certificate", 0o644),
            (kubeedge_config::KEY, "cloudcore_key", 0o600),
            (kubeedge_config::STREAM_CA, "ca_certificate", 0o644),
        ] {
            changed |= system.write(path, option(spec, name)?, mode).await?;
        }
        let kubeconfig = kubeedge_config::kubeconfig(
            address,
            option(spec, "ca_certificate")?,
            option(spec, "cloudcore_client_certificate")?,
            option(spec, "cloudcore_client_key")?,
        );
        for (path, text, mode) in [
            (kubeedge_config::KUBECONFIG, kubeconfig, 0o600),
            (CONFIG, kubeedge_config::cloudcore(address), 0o600),
            (STREAMS, kubeedge_config::streams(address, &edges), 0o644),
            (RIGHTS, kubeedge_config::rights(), 0o644),
            (UNIT_FILE, kubeedge_config::cloudcore_unit(STREAMS), 0o644),
        ] {
            changed |= system.write(path, &text, mode).await?;
        }
        if !changed && system.listens(&socket).await {
            progress.report("cloudcore", StepState::Unchanged, "it listens");
            return Ok(());
        }
        node::programs(spec, system, progress).await?;
        off_edges(system).await?;
        let about = "kube-proxy and CoreDNS stay off edges";
        progress.report("add-ons", StepState::Done, about);
        let definitions = spec.artifacts.iter().filter(|(a, _)| a.name == DEFINITIONS);
        let mut files: Vec<String> = definitions.map(|(_, p)| p.display().to_string()).collect();
        files.push(RIGHTS.to_owned());
        apply(&files, system).await?;
        progress.report("definitions and rights", StepState::Done, "applied");
        unit::enable(UNIT, system).await?;
        let waits = format!("waits for {socket}");
        progress.report("cloudcore", StepState::Running, waits);
        let patience = Machine::read(system).await.policy().patience;
        bring_up(UNIT, || system.listens(&socket), &[], patience, system).await?;
        progress.report("cloudcore", StepState::Done, "it listens");
        Ok(())
    }
}
