//! Provider `local`: agents as child processes on loopback addresses. No root, no machine, no emulated network.

mod ports;
mod processes;

use super::{
    Allow, Capabilities, CoresOfAProgram, Fitness, LimitReport, MachineState, NodeState, Provider,
};
use crate::error::ProviderError;
use continuum_common::wait::Patience;
use continuum_config::{Broker, Config, ProviderKind};
use continuum_host::{
    context::Context,
    error::Error,
    keys::Secrets,
    process,
    state::{Deployment, ResourceKind, write_secret},
};
use continuum_model::{
    AGENT_PORT, Acceleration, BROKER_PORT, Facts, NodePlan, Plan, Prefix, Prefixes,
};
use continuum_plan::verify::tolerances::{self, Tolerances};
use ports::{is_open, taken_everywhere};
use processes::{end, end_all, find_agents};
use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// From the start of an agent to its socket.
const LISTEN_DEADLINE: Duration = Duration::from_secs(20);

/// As many as one prefix holds.
const MOST_NODES: u32 = 250;

#[derive(Debug)]
pub(super) struct Local;

/// The agent's program: `$CONTINUUM_AGENT`, or beside this one.
fn agent_program() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os("CONTINUUM_AGENT").filter(|v| !v.is_empty()) {
        return Ok(path.into());
    }
    let own = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    let beside = own.with_file_name("continuum-agent");
    if beside.exists() {
        return Ok(beside);
    }
    Err(ProviderError::NoAgentProgram { path: beside }.into())
}

/// The workload bundle that agents are told of; recorded for results.
fn bundle(context: &Context, deployment: &mut Deployment) -> Result<PathBuf, Error> {
    // A deployment keeps the bundle that it was begun with; a config without a benchmark works without one.
    if let Some(key) = &deployment.facts().bundle {
        return Ok(continuum_images::store::bundle(&context.cache, key));
    }
    let bundle = continuum_images::store::current_bundle(&context.cache)
        .unwrap_or_else(|_| context.cache.path("bundles/none"));
    let key = bundle.file_name().unwrap_or_default().to_string_lossy();
    let how = "none (processes of this machine)".to_owned();
    deployment.add_facts(Facts {
        acceleration: Some(Acceleration::Without(how)),
        bundle: Some(key.into_owned()),
        ..Facts::default()
    })?;
    Ok(bundle)
}

fn node_dir(deployment: &Deployment, node: &str) -> PathBuf {
    deployment.dir().join("nodes").join(node)
}

/// Whether somebody listens on an agent's port of a loopback address.
async fn is_listening(address: Ipv4Addr) -> bool {
    is_open(address, AGENT_PORT).await
}

impl Local {
    fn recorded(deployment: &Deployment, node: &str) -> Option<(u32, u64)> {
        let attributes = &deployment.find(ResourceKind::Process, node)?.attributes;
        Some((
            attributes.get("pid")?.parse().ok()?,
            attributes.get("started")?.parse().ok()?,
        ))
    }

    /// Starts an agent unless it runs; the intent comes first.
    async fn start_once(
        node: &NodePlan,
        secrets: &Secrets,
        deployment: &mut Deployment,
        bundle: &Path,
    ) -> Result<(u32, u64), Error> {
        if let Some((pid, started)) = Self::recorded(deployment, &node.name)
            && process::is_alive(pid, started)
        {
            // One that runs and does not listen was interrupted while it started, or hangs.
            if is_listening(node.address).await {
                return Ok((pid, started));
            }
            end(pid, started).await;
        }
        // A controller that was killed between start and record has left one that holds the address.
        let own = node_dir(deployment, &node.name);
        for (pid, started) in find_agents(&own) {
            end(pid, started).await;
        }
        deployment.intend(ResourceKind::Process, &node.name)?;
        let (pid, started) = Self::start(node, secrets, deployment, bundle)?;
        deployment.confirm(
            ResourceKind::Process,
            &node.name,
            &[("pid", pid.to_string()), ("started", started.to_string())],
        )?;
        Ok((pid, started))
    }

    /// What a killed controller had just started did not have an agent's command line yet when it was looked for, and may
    /// hold the address of the one that was started since. Whether there was one.
    async fn end_unrecorded(deployment: &Deployment) -> bool {
        let resources = deployment.resources().iter();
        let recorded: Vec<(u32, u64)> = resources
            .filter_map(|resource| Self::recorded(deployment, &resource.name))
            .collect();
        let mut found = find_agents(&deployment.dir().join("nodes"));
        found.retain(|agent| !recorded.contains(agent));
        for (pid, started) in &found {
            end(*pid, *started).await;
        }
        !found.is_empty()
    }

    fn start(
        node: &NodePlan,
        secrets: &Secrets,
        deployment: &Deployment,
        bundle: &Path,
    ) -> Result<(u32, u64), Error> {
        let dir = node_dir(deployment, &node.name);
        std::fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
        let identity = secrets.agent(node)?;
        write_secret(
            &dir.join("ca.pem"),
            secrets.authority()?.certificate_pem.as_bytes(),
        )?;
        write_secret(&dir.join("agent.pem"), identity.certificate_pem.as_bytes())?;
        write_secret(&dir.join("agent.key"), identity.key_pem.as_bytes())?;
        let config = secrets.agent_config(
            node,
            &dir.display().to_string(),
            &dir.join("data").display().to_string(),
            &bundle.display().to_string(),
            false,
        );
        let path = dir.join("agent.toml");
        write_secret(&path, config.as_bytes())?;
        let log_path = dir.join("agent.log");
        let log = std::fs::File::create(&log_path).map_err(Error::file("create", &log_path))?;
        let out = log.try_clone().map_err(Error::file("share", &log_path))?;
        let program = agent_program()?;
        let child = process::command(&program)
            .args(["serve", "--config", &path.display().to_string()])
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(log))
            .process_group(0)
            .spawn()
            .map_err(Error::file("start", program))?;
        let pid = child.id().unwrap_or_default();
        let started = process::start_time(pid).unwrap_or_default();
        Ok((pid, started))
    }
}

#[async_trait::async_trait]
impl Provider for Local {
    fn name(&self) -> &'static str {
        ProviderKind::Local.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            summary: "agents as processes on loopback addresses of this machine; no emulated network, no limits",
            emulates_network: false,
            has_machines: false,
            needs_namespace: false,
            cores_of_a_program: CoresOfAProgram::All,
            default_prefixes: Prefixes::new(127, 77),
        }
    }

    async fn fitness(&self, _context: &Context, _libvirt_uri: &str) -> Fitness {
        Fitness::Unfit("its nodes are processes of this machine; it is chosen by name only".into())
    }

    async fn is_taken(
        &self,
        _context: &Context,
        _config: &Config,
        prefix: Prefix,
    ) -> Result<bool, Error> {
        // By connecting, and not by listening: that could take the address from an agent that is about to start.
        // All of them: a deployment that is going down may have lost its first agent already.
        let looks = (0..MOST_NODES).map(|slot| is_listening(prefix.address(slot)));
        let found = futures_util::future::join_all(looks).await;
        Ok(found.into_iter().any(|listens| listens))
    }

    async fn preflight(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        _allow: Allow,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Err(error) = agent_program() {
            reasons.push(continuum_host::error::chain(&error));
        }
        if !plan.prefix.gateway().is_loopback() {
            reasons.push(format!(
                "provider local uses loopback addresses, not {}; leave prefix_ip out",
                plan.prefix
            ));
        }
        if !config.software.services.is_empty() {
            reasons
                .push("provider local cannot install services; leave software.services out".into());
        }
        if config.software.broker == Broker::Mosquitto {
            reasons.push(
                "provider local has the embedded broker only; set software.broker=rumqttd".into(),
            );
        }
        reasons.extend(taken_everywhere(AGENT_PORT, "agents").await);
        if !plan.brokers.is_empty() {
            reasons.extend(taken_everywhere(BROKER_PORT, "brokers").await);
        }
        if config.benchmark.is_some()
            && let Err(error) = continuum_images::store::current_bundle(&context.cache)
        {
            reasons.push(continuum_host::error::chain(&error));
        }
        reasons
    }

    async fn reserve_prefix(
        &self,
        context: &Context,
        _config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let Some(node) = plan.nodes.first() else {
            return Ok(());
        };
        let bundle = bundle(context, deployment)?;
        let (pid, started) = Self::start_once(node, secrets, deployment, &bundle).await?;
        // `is_taken` of others asks this very address.
        let address = node.address;
        let mut patience = Patience::new(LISTEN_DEADLINE, LOOK_EVERY);
        while !is_listening(address).await {
            if process::is_alive(pid, started) && patience.again(()).await.is_ok() {
                continue;
            }
            let said = self.console(context, deployment, &node.name).await;
            let said = said.map_or_else(String::new, |text| super::last_lines(&text));
            if !process::is_alive(pid, started) {
                // Nothing of it is left that somebody had to remove.
                deployment.forget(ResourceKind::Process, &node.name)?;
                let (node, listen) = (node.name.clone(), format!("{address}:{AGENT_PORT}"));
                return Err(ProviderError::AgentEnded { node, listen, said }.into());
            }
            return Err(Error::Deadline {
                what: format!(
                    "the agent of {} to listen on {address}:{AGENT_PORT}",
                    node.name
                ),
                after: LISTEN_DEADLINE,
                last: said,
            });
        }
        Ok(())
    }

    async fn create(
        &self,
        context: &Context,
        _config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let bundle = bundle(context, deployment)?;
        for node in &plan.nodes {
            if context.cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            Self::start_once(node, secrets, deployment, &bundle).await?;
        }
        if Self::end_unrecorded(deployment).await {
            for node in &plan.nodes {
                Self::start_once(node, secrets, deployment, &bundle).await?;
            }
        }
        Ok(())
    }

    async fn apply_limits(
        &self,
        _context: &Context,
        _plan: &Plan,
        _deployment: &Deployment,
    ) -> Result<Vec<LimitReport>, Error> {
        Ok(Vec::new())
    }

    async fn destroy(
        &self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<Vec<String>, Error> {
        let nodes: Vec<String> = deployment
            .resources()
            .iter()
            .filter(|r| r.kind == ResourceKind::Process)
            .map(|r| r.name.clone())
            .collect();
        let recorded = nodes
            .iter()
            .filter_map(|node| Self::recorded(deployment, node))
            .filter(|(pid, started)| process::is_alive(*pid, *started));
        let mut agents: Vec<(u32, u64)> = recorded.collect();
        agents.extend(find_agents(
            &context.root.deployment(deployment.name())?.join("nodes"),
        ));
        agents.sort_unstable();
        agents.dedup();
        let removed = end_all(&agents).await?;
        for node in nodes {
            if let Err(error) = deployment.forget(ResourceKind::Process, &node) {
                tracing::warn!("{}", continuum_host::error::chain(&error));
            }
        }
        Ok(removed)
    }

    async fn destroy_orphans(
        &self,
        context: &Context,
        name: &str,
        _uri: &str,
    ) -> Result<Vec<String>, Error> {
        end_all(&find_agents(&context.root.deployment(name)?.join("nodes"))).await
    }

    async fn states(
        &self,
        _context: &Context,
        deployment: &Deployment,
    ) -> Result<Vec<NodeState>, Error> {
        Ok(deployment
            .nodes()
            .iter()
            .map(|node| {
                let alive = Self::recorded(deployment, &node.name)
                    .is_some_and(|(pid, started)| process::is_alive(pid, started));
                NodeState {
                    node: node.name.clone(),
                    state: if alive {
                        MachineState::Running
                    } else {
                        MachineState::Gone
                    },
                }
            })
            .collect())
    }

    fn tolerances(&self, _deployment: &Deployment) -> Option<&'static Tolerances> {
        Some(&tolerances::LOCAL)
    }

    async fn console(
        &self,
        _context: &Context,
        deployment: &Deployment,
        node: &str,
    ) -> Option<String> {
        std::fs::read_to_string(node_dir(deployment, node).join("agent.log")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_host::state::StateRoot;

    #[tokio::test]
    async fn an_agent_that_no_record_knows_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().join("state")).unwrap();
        let mut deployment = Deployment::create(&root, "lab", "", "local", "").unwrap();
        let start = |node: &str| {
            let config = node_dir(&deployment, node).join("agent.toml");
            let shell = ["-c", "sleep 60; true", "agent", "serve", "--config"];
            let mut command = process::command("sh");
            command.args(shell).arg(config).kill_on_drop(true);
            command.spawn().unwrap()
        };
        let (own, mut other) = (start("edge0"), start("endpoint0"));
        let pid = own.id().unwrap();
        let started = process::start_time(pid).unwrap();
        let record = [("pid", pid.to_string()), ("started", started.to_string())];
        deployment.intend(ResourceKind::Process, "edge0").unwrap();
        deployment
            .confirm(ResourceKind::Process, "edge0", &record)
            .unwrap();
        assert!(Local::end_unrecorded(&deployment).await);
        other.wait().await.unwrap();
        assert!(
            process::is_alive(pid, started),
            "the recorded one ended too"
        );
        assert!(!Local::end_unrecorded(&deployment).await);
    }
}
