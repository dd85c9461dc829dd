//! `kubeedge-edgecore`: the edge's half, in the place of the kubelet.

use super::{bring_up, certificate, kubeedge_config, wait_for};
use crate::{
    error::AgentError,
    install::{
        InstallSpec, Installer, Progress, StepState, container_images,
        kubernetes::{node, option, parse_routes},
        unit,
    },
    machine::Machine,
    system::System,
};

/// What we wrote; edgecore writes its own file anew, with its version and all defaults.
const OURS: &str = "/etc/kubeedge/continuum-edgecore.json";
const CONFIG: &str = "/etc/kubeedge/config/edgecore.yaml";
/// Read once, for the first certificate.
const TOKEN: &str = "/etc/kubeedge/bootstrap-edgecore.conf";
const UNIT: &str = "edgecore.service";
const UNIT_FILE: &str = "/etc/systemd/system/edgecore.service";
const HOLD: &str = "/etc/kubeedge/edgecore-hold.nft";
/// Said when no waiting helps: a token of another cluster, or one that is too old.
const HOPELESS: [&str; 3] = [
    "failed to validate CA certificate",
    "credentials are in the wrong format",
    "code: 401",
];

#[derive(Debug)]
pub(crate) struct EdgeCore;

/// edgecore copies its token into its own configuration when it starts, and would ask for certificates with it for as long
/// as the token is good. It reads that file at no other time.
async fn forget_token(ours: &str, system: &dyn System) -> Result<(), AgentError> {
    system.remove(TOKEN).await?;
    system.write(CONFIG, ours, 0o600).await.map(|_| ())
}

#[async_trait::async_trait]
impl Installer for EdgeCore {
    fn name(&self) -> &'static str {
        "kubeedge-edgecore"
    }

    fn options(&self) -> Vec<&'static str> {
        vec![
            "node",
            "address",
            "control_plane",
            "pod_prefix",
            "routes",
            "event_bus",
            "broker_port",
            "pause",
            "edge_token",
        ]
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(UNIT_FILE).await && system.exists(kubeedge_config::CERTIFICATE).await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let address = option(spec, "address")?;
        let edge = kubeedge_config::Edge {
            node: option(spec, "node")?,
            address,
            cloud: option(spec, "control_plane")?,
            event_bus: option(spec, "event_bus")?,
            broker_port: option(spec, "broker_port")?,
            pause: option(spec, "pause")?,
        };
        let routes = parse_routes(option(spec, "routes")?)?;
        let token = option(spec, "edge_token")?;
        if system.exists(node::KUBELET_FILE).await && unit::is_active(node::KUBELET, system).await {
            return Err(AgentError::Unsupported {
                doing: "install edgecore",
                why: "a kubelet runs on this node, and both would manage its pods; remove it first: \
                      `continuum-ctl down` and `up`, or systemctl disable --now kubelet",
            });
        }
        if system.exists(kubeedge_config::CERTIFICATE).await
            && certificate::has_expired(kubeedge_config::CERTIFICATE, system).await?
        {
            let about = "its certificate has expired: a new one is asked for";
            progress.report("edgecore", StepState::Running, about);
            unit::stop(UNIT, system).await?;
            // With what it wrote of itself, so that all of it is made anew below.
            for file in [kubeedge_config::CERTIFICATE, kubeedge_config::KEY, OURS] {
                system.remove(file).await?;
            }
        }
        let ours = kubeedge_config::edgecore(&edge);
        let mut changed = system.write(OURS, &ours, 0o600).await?;
        let policy = Machine::read(system).await.policy();
        let hold = policy.holds_edgecore.then_some(HOLD);
        if let Some(file) = hold {
            system.write(file, &kubeedge_config::hold(), 0o600).await?;
        }
        let unit_text = kubeedge_config::edgecore_unit(hold);
        changed |= system.write(UNIT_FILE, &unit_text, 0o644).await?;
        if !changed && system.exists(kubeedge_config::CERTIFICATE).await {
            unit::start(UNIT, system).await?;
            forget_token(&ours, system).await?;
            progress.report("edgecore", StepState::Unchanged, "it has its certificate");
            return Ok(());
        }
        node::programs(spec, system, progress).await?;
        node::kernel(system, progress).await?;
        let prefix = option(spec, "pod_prefix")?;
        node::pod_network(address, prefix, &routes, system, progress).await?;
        container_images::import(spec, system, progress).await?;
        system.write(CONFIG, &ours, 0o600).await?;
        system.write(TOKEN, token, 0o600).await?;
        unit::enable(UNIT, system).await?;
        // Without cloudcore it would start again and again, on a machine that others need.
        let cloudcore = format!("{}:{}", edge.cloud, kubeedge_config::HTTPS_PORT);
        let waits = format!("waits for cloudcore at {cloudcore}");
        progress.report("edgecore", StepState::Running, waits);
        wait_for(&cloudcore, policy.patience, system).await?;
        let has_certificate = || system.exists(kubeedge_config::CERTIFICATE);
        let patience = policy.patience;
        let up = bring_up(UNIT, has_certificate, &HOPELESS, patience, system).await;
        // It has served, or it is wrong.
        forget_token(&ours, system).await?;
        up?;
        progress.report("edgecore", StepState::Done, "it has its certificate");
        Ok(())
    }
}
