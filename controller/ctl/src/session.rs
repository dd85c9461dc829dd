//! A deployment that is there, with everything that work on it needs.

use crate::error::CommandError;
use continuum_agents::Agent;
use continuum_config::{Config, KEPT_CONFIG};
use continuum_host::{context::Context, error::Error, keys::Secrets, state::Deployment};
use continuum_model::{NodePlan, Plan};
use continuum_plan::managers::{self, Cluster, ResourceManager};
use continuum_provider::Provider;
use std::sync::Arc;

/// What every phase of `up` and every part of a bench works with.
#[derive(Debug)]
pub struct Session {
    /// State, store, progress, cancellation.
    pub context: Context,
    /// As in the config of this command.
    pub config: Config,
    /// Nodes and what is done with them.
    pub plan: Plan,
    /// What exists.
    pub deployment: Deployment,
    /// Who made the machines.
    pub provider: &'static dyn Provider,
    agents: Vec<Arc<dyn Agent>>,
}

impl Session {
    /// Connections to agents are made when they are first used.
    pub fn new(
        context: &Context,
        config: &Config,
        plan: Plan,
        deployment: Deployment,
    ) -> Result<Self, Error> {
        let provider = continuum_provider::find(deployment.provider())?;
        let secrets = Secrets::open(&deployment)?;
        check_keys(&deployment, &secrets)?;
        let connect = |node| provider.connect(context, node, &secrets);
        let agents = plan.nodes.iter().map(connect).collect::<Result<_, _>>()?;
        Ok(Self {
            context: context.clone(),
            config: config.clone(),
            plan,
            deployment,
            provider,
            agents,
        })
    }

    /// Of a live deployment, with the config it is up with.
    pub fn open(context: &Context, name: &str) -> Result<Self, Error> {
        let (deployment, config, plan) = open(context, name)?;
        Self::new(context, &config, plan, deployment)
    }

    pub fn agent(&self, node: &str) -> Result<&Arc<dyn Agent>, Error> {
        let agent = self.agents.iter().find(|agent| agent.node() == node);
        agent.ok_or_else(|| Error::NoNode {
            name: self.plan.name.clone(),
            node: node.to_owned(),
            known: self.plan.nodes.iter().map(|n| n.name.clone()).collect(),
        })
    }

    /// All agents, in the order of nodes.
    pub fn agents(&self) -> &[Arc<dyn Agent>] {
        &self.agents
    }

    /// Every node with its agent.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodePlan, &Arc<dyn Agent>)> {
        let nodes = self.plan.nodes.iter();
        nodes.filter_map(|node| Some((node, self.agent(&node.name).ok()?)))
    }

    /// The cluster that its manager makes, if it makes one.
    pub fn cluster(&self) -> Option<&'static dyn Cluster> {
        managers::find(self.config.software.resource_manager)
            .filter(|_| !self.config.infrastructure.infra_only)
            .and_then(ResourceManager::cluster)
    }
}

/// Fails where keys are of no use now: no agent would be believed, and none would say why.
pub fn check_keys(deployment: &Deployment, secrets: &Secrets) -> Result<(), Error> {
    let Some(why) = secrets.fault()? else {
        return Ok(());
    };
    let name = deployment.name();
    let provider = continuum_provider::find(deployment.provider())?;
    // Machines read theirs when they are made.
    let way_out = if provider.capabilities().has_machines {
        format!("`continuum-ctl down {name}` and `continuum-ctl up {name}` make new ones")
    } else {
        format!("`continuum-ctl up {name}` makes new ones")
    };
    Err(Error::Preflight {
        name: name.to_owned(),
        reasons: vec![format!("{why}; {way_out}")],
    })
}

/// A live deployment with its config and plan, for who asks no agent.
pub fn open(context: &Context, name: &str) -> Result<(Deployment, Config, Plan), Error> {
    let deployment = Deployment::load(&context.root, name)?.ok_or_else(|| Error::NoDeployment {
        name: name.to_owned(),
    })?;
    let config = config_of(&deployment)?;
    let prefix = deployment.prefix().ok_or_else(|| {
        let name = name.to_owned();
        CommandError::NoAddresses { name }
    })?;
    let plan = continuum_plan::plan(&config, prefix);
    Ok((deployment, config, plan))
}

/// The config that a deployment was made with, or was upgraded to.
pub(crate) fn config_of(deployment: &Deployment) -> Result<Config, Error> {
    let name = deployment.name();
    let checked = continuum_plan::parse(deployment.config(), KEPT_CONFIG, false, name, &[])?;
    Ok(checked.config)
}
