//! Where machines come from: one trait, one file (or folder) each, one list.

mod choose;
pub mod error;
mod image;
mod local;
mod prefix;
#[cfg(feature = "libvirt")]
mod qemu;
#[cfg(feature = "test-hooks")]
mod registered;
mod routes;
mod seed;
pub mod uml;

use continuum_agents::{Agent, GrpcAgent};
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, keys::Secrets, state::Deployment};
use continuum_model::{NodePlan, Plan, Prefix, Prefixes};
use continuum_plan::verify::Tolerances;
use error::ProviderError;
use std::sync::Arc;

pub use choose::choose;
pub use prefix::{claim_prefix, likely_prefix};
#[cfg(feature = "test-hooks")]
pub use registered::register;

/// Every provider; the only place that names them.
pub const PROVIDERS: &[&dyn Provider] = &[
    #[cfg(feature = "libvirt")]
    &qemu::Qemu,
    &uml::Uml,
    &local::Local,
];

/// Who may have made something on this host.
pub fn active() -> Vec<&'static dyn Provider> {
    #[cfg(feature = "test-hooks")]
    if let Some(registered) = registered::all() {
        return registered;
    }
    PROVIDERS.to_vec()
}

/// What the user goes on without.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allow {
    /// Links that cannot be emulated.
    pub unemulated: bool,
    /// Limits that cannot be enforced.
    pub unlimited: bool,
}

/// Whether a provider can make machines on this host, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// They run on the processor.
    Native(String),
    /// They run, many times slower; why not natively.
    Emulated(String),
    /// They cannot be made.
    Unfit(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    Running,
    /// Stands still: an I/O error, a full disk, or somebody's command.
    Paused,
    /// There, and not running.
    Stopped,
    /// Not there.
    Gone,
}

impl std::fmt::Display for MachineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
        })
    }
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct NodeState {
    pub node: String,
    pub state: MachineState,
}

/// A limit as asked and as read back.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LimitReport {
    pub node: String,
    /// `cpu_quota`, `disk_read_mb_s`, `disk_write_mb_s`.
    pub limit: String,
    /// As the config has it.
    pub asked: f64,
    /// As the hypervisor has it.
    pub read_back: f64,
}

impl LimitReport {
    /// Fails when it is another one than was asked for; rounding is none.
    pub(crate) fn check(&self, by: &'static str) -> Result<(), ProviderError> {
        if (self.asked - self.read_back).abs() <= 0.005 * self.asked.max(1.0) {
            return Ok(());
        }
        Err(ProviderError::Limit {
            limit: self.limit.clone(),
            node: self.node.clone(),
            asked: self.asked,
            by,
            has: self.read_back,
        })
    }
}

/// What a provider can do, whatever host it is on.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities {
    pub summary: &'static str,
    /// Nodes have a network of their own, on which links can be emulated.
    pub emulates_network: bool,
    /// Nodes are machines of their own, that one can log in to.
    pub has_machines: bool,
    /// Ordinary users need a network namespace of the deployment's own for it.
    pub needs_namespace: bool,
    /// On a node with several.
    pub cores_of_a_program: CoresOfAProgram,
    /// The first numbers of addresses unless the config says otherwise.
    pub default_prefixes: Prefixes,
}

/// How many cores the threads of one program have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoresOfAProgram {
    All,
    One,
}

#[async_trait::async_trait]
pub trait Provider: Sync + std::fmt::Debug {
    /// As in configs.
    fn name(&self) -> &'static str;
    /// What it can do.
    fn capabilities(&self) -> Capabilities;
    /// Whether machines can be made here. Makes nothing.
    async fn fitness(&self, context: &Context, libvirt_uri: &str) -> Fitness;
    /// Whether a prefix is in use by somebody, as far as this host can tell.
    async fn is_taken(
        &self,
        context: &Context,
        config: &Config,
        prefix: Prefix,
    ) -> Result<bool, Error>;
    /// Everything that would stop `create`, each with what to do. Changes nothing.
    async fn preflight(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        allow: Allow,
    ) -> Vec<String>;
    /// What the user should know although it goes on.
    fn warnings(&self, _context: &Context, _plan: &Plan) -> Vec<String> {
        Vec::new()
    }
    /// Makes the first thing by which others see that the prefix is taken. The caller holds the claim meanwhile.
    async fn reserve_prefix(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error>;
    /// Makes what is missing and starts what is stopped; intents are recorded first.
    async fn create(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error>;
    /// Sets CPU quota and disk limits and reads them back.
    async fn apply_limits(
        &self,
        context: &Context,
        plan: &Plan,
        deployment: &Deployment,
    ) -> Result<Vec<LimitReport>, Error>;
    /// Removes everything of a deployment, recorded or not. Says what it removed.
    async fn destroy(
        &self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<Vec<String>, Error>;
    /// Finds and removes what belongs to a name whose state is gone.
    async fn destroy_orphans(
        &self,
        context: &Context,
        name: &str,
        libvirt_uri: &str,
    ) -> Result<Vec<String>, Error>;
    /// How each node is.
    async fn states(
        &self,
        context: &Context,
        deployment: &Deployment,
    ) -> Result<Vec<NodeState>, Error>;
    /// How far what its machines are may be from what was asked for; `None` = nobody knows, so nothing is judged.
    fn tolerances(&self, _deployment: &Deployment) -> Option<&'static Tolerances> {
        None
    }
    /// A way to the agent of a node, made when it is first used.
    fn connect(
        &self,
        _context: &Context,
        node: &NodePlan,
        secrets: &Secrets,
    ) -> Result<Arc<dyn Agent>, Error> {
        Ok(Arc::new(GrpcAgent::of_node(node, secrets)?))
    }
    /// What a node wrote to its console.
    async fn console(
        &self,
        context: &Context,
        deployment: &Deployment,
        node: &str,
    ) -> Option<String>;
}

pub fn find(name: &str) -> Result<&'static dyn Provider, Error> {
    active()
        .into_iter()
        .chain(PROVIDERS.iter().copied())
        .find(|p| p.name() == name)
        .ok_or_else(|| {
            let known = PROVIDERS.iter().map(|p| p.name()).collect();
            ProviderError::NotBuilt {
                name: name.to_owned(),
                known,
            }
            .into()
        })
}

/// The end of a console, in one line for an error.
pub fn last_lines(console: &str) -> String {
    let lines: Vec<&str> = console.lines().filter(|l| !l.trim().is_empty()).collect();
    let last = lines.len().saturating_sub(5);
    lines.get(last..).unwrap_or_default().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_config::ProviderKind;

    #[test]
    fn every_provider_that_a_config_may_name_is_here() {
        let mut here: Vec<_> = PROVIDERS.iter().map(|p| p.name()).collect();
        if cfg!(not(feature = "libvirt")) {
            here.insert(0, ProviderKind::Qemu.name());
        }
        here.insert(0, ProviderKind::Auto.name());
        assert_eq!(here, ProviderKind::NAMES);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = PROVIDERS.iter().map(|p| p.name()).collect();
        for name in &names {
            assert_eq!(find(name).unwrap().name(), *name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PROVIDERS.len());
        assert!(find("gcp").is_err());
    }
}
