//! The provider of simulated machines. It makes things as the real ones do: an intent first, then the thing, then its
//! confirmation; and finds its own by the deployment's id, recorded or not.

use super::{agent::SimulatedAgent, machine::Machine, world::World};
use continuum_agents::Agent;
use continuum_config::Config;
use continuum_host::{
    context::Context,
    error::Error,
    keys::Secrets,
    state::{Deployment, ResourceKind},
};
use continuum_model::{Acceleration, Facts, NodePlan, Plan, Prefix, Prefixes};
use continuum_plan::verify::tolerances::{self, Tolerances};
use continuum_provider::error::ProviderError;
use continuum_provider::{
    Allow, Capabilities, CoresOfAProgram, Fitness, LimitReport, MachineState, NodeState, Provider,
};
use std::{sync::Arc, time::Duration};

/// What everything in it takes.
const STEP: Duration = Duration::from_millis(200);
pub(super) const NAME: &str = "simulated";

/// `simulated`, which no config can name.
#[derive(Debug)]
pub(super) struct Simulated;

fn world(context: &Context) -> Result<Arc<World>, Error> {
    let gone = || ProviderError::Hypervisor {
        doing: "find the simulated world".into(),
        why: "it has ended".into(),
    };
    Ok(World::find(&context.root.deployments()).ok_or_else(gone)?)
}

/// A step of its work, at which its user may interrupt.
async fn step(world: &World, what: &str) {
    world.note(NAME, what);
    tokio::time::sleep(STEP).await;
}

fn thing(deployment: &Deployment, node: &str) -> String {
    format!("ct-{}-{node}", deployment.id())
}

/// Removes what `is_own` says, of what the world has.
async fn remove(world: &World, is_own: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut removed = Vec::new();
    loop {
        let found = {
            let inner = world.now();
            let mut all = inner.machines.iter();
            all.find(|(_, m)| is_own(&m.deployment, &m.id))
                .map(|(address, m)| (*address, m.node.clone()))
        };
        let Some((address, node)) = found else {
            break;
        };
        step(world, "remove a machine").await;
        world.now().machines.remove(&address);
        removed.push(format!("machine {node}"));
    }
    let own: Vec<Prefix> = {
        let inner = world.now();
        let all = inner.networks.iter();
        all.filter(|(_, (name, id))| is_own(name, id))
            .map(|(prefix, _)| *prefix)
            .collect()
    };
    for prefix in own {
        step(world, "remove a network").await;
        world.now().networks.remove(&prefix);
        removed.push(format!("network {prefix}"));
    }
    removed
}

#[async_trait::async_trait]
impl Provider for Simulated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            summary: "machines that are entries in a table, for tests",
            emulates_network: true,
            has_machines: true,
            needs_namespace: false,
            cores_of_a_program: CoresOfAProgram::All,
            default_prefixes: Prefixes::new(10, 77),
        }
    }

    async fn fitness(&self, _context: &Context, _libvirt_uri: &str) -> Fitness {
        Fitness::Unfit("nothing of it is real".into())
    }

    async fn is_taken(
        &self,
        context: &Context,
        _config: &Config,
        prefix: Prefix,
    ) -> Result<bool, Error> {
        let world = world(context)?;
        step(&world, "look at networks").await;
        let is_taken = world.now().networks.contains_key(&prefix);
        Ok(is_taken)
    }

    async fn preflight(
        &self,
        context: &Context,
        _config: &Config,
        _plan: &Plan,
        _allow: Allow,
    ) -> Vec<String> {
        let world = world(context).err();
        world.map(|e| e.to_string()).into_iter().collect()
    }

    async fn reserve_prefix(
        &self,
        context: &Context,
        _config: &Config,
        plan: &Plan,
        _secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let world = world(context)?;
        let name = thing(deployment, "network");
        deployment.intend(ResourceKind::Network, &name)?;
        step(&world, "make a network").await;
        let owner = (deployment.name().to_owned(), deployment.id());
        world.now().networks.insert(plan.prefix, owner);
        step(&world, "look at the network").await;
        deployment.confirm(ResourceKind::Network, &name, &[])
    }

    async fn create(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let world = world(context)?;
        let has_network = world.now().networks.contains_key(&plan.prefix);
        if !has_network {
            self.reserve_prefix(context, config, plan, secrets, deployment)
                .await?;
        }
        deployment.add_facts(Facts {
            acceleration: Some(Acceleration::Without("none (simulated)".into())),
            ..Facts::default()
        })?;
        for node in &plan.nodes {
            if context.cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let name = thing(deployment, &node.name);
            deployment.intend(ResourceKind::Domain, &name)?;
            step(&world, "make a machine").await;
            {
                let mut inner = world.now();
                let id = deployment.id();
                let new = || Machine::new(id, deployment.name().to_owned(), node.clone());
                let machine = inner.machines.entry(node.address).or_insert_with(new);
                if machine.state != MachineState::Running {
                    machine.boot();
                }
            }
            step(&world, "start a machine").await;
            deployment.confirm(ResourceKind::Domain, &name, &[])?;
        }
        Ok(())
    }

    async fn apply_limits(
        &self,
        context: &Context,
        _plan: &Plan,
        _deployment: &Deployment,
    ) -> Result<Vec<LimitReport>, Error> {
        step(&*world(context)?, "set limits").await;
        Ok(Vec::new())
    }

    async fn destroy(
        &self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<Vec<String>, Error> {
        let world = world(context)?;
        let own = deployment.id();
        let removed = remove(&world, |_, id| id == own).await;
        let all = deployment.resources().to_vec();
        for resource in all {
            // As the real ones do: a full disk keeps nobody from `down`.
            deployment.forget(resource.kind, &resource.name).ok();
        }
        Ok(removed)
    }

    async fn destroy_orphans(
        &self,
        context: &Context,
        name: &str,
        _libvirt_uri: &str,
    ) -> Result<Vec<String>, Error> {
        let world = world(context)?;
        Ok(remove(&world, |deployment, _| deployment == name).await)
    }

    async fn states(
        &self,
        context: &Context,
        deployment: &Deployment,
    ) -> Result<Vec<NodeState>, Error> {
        let world = world(context)?;
        step(&world, "look at machines").await;
        let mut inner = world.now();
        let state = |node: &NodePlan| NodeState {
            node: node.name.clone(),
            state: inner
                .machines
                .get_mut(&node.address)
                .map_or(MachineState::Gone, |machine| machine.state),
        };
        Ok(deployment.nodes().iter().map(state).collect())
    }

    fn connect(
        &self,
        context: &Context,
        node: &NodePlan,
        secrets: &Secrets,
    ) -> Result<Arc<dyn Agent>, Error> {
        let name = secrets.agent_name(&node.name);
        let id = name.rsplit('.').nth(1).unwrap_or_default().to_owned();
        Ok(Arc::new(SimulatedAgent {
            world: world(context)?,
            node: node.name.clone(),
            address: node.address,
            id,
        }))
    }

    fn tolerances(&self, _deployment: &Deployment) -> Option<&'static Tolerances> {
        Some(&tolerances::UML)
    }

    async fn console(
        &self,
        _context: &Context,
        _deployment: &Deployment,
        node: &str,
    ) -> Option<String> {
        Some(format!("{node} is simulated"))
    }
}
