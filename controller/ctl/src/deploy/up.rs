//! From a config to machines with software and links.

use super::{
    execution_models, infrastructure, network, preflight, software, upgrade::upgrade_in_place,
};
use crate::session::{Session, check_keys};
use continuum_config::Config;
use continuum_host::{
    context::{Choice, Context},
    error::Error,
    keys::Secrets,
    state::{self, AddressLock, Deployment, Phase},
};
use continuum_model::{Facts, Plan};
use continuum_provider::{Allow, LimitReport, MachineState, Provider};
use std::sync::Arc;

/// What `up` has to say at the end.
#[derive(Debug)]
pub struct Up {
    pub deployment: Deployment,
    pub plan: Plan,
    /// Limits as set, if they were set now.
    pub limits: Vec<LimitReport>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether everything was up already.
    pub unchanged: bool,
}

/// A plan for showing: addresses are those of a live deployment, or those that would be claimed now.
#[derive(Debug)]
pub struct Planned {
    /// Where the machines would come from.
    pub choice: Choice,
    pub plan: Plan,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Why `up` would refuse; `None` = it would not.
    pub refused: Option<Error>,
}

/// The plan of a live deployment, or of a config.
pub async fn plan_of(context: &Context, config: &Config, allow: Allow) -> Result<Planned, Error> {
    let choice = continuum_provider::choose(context, config).await?;
    let provider = continuum_provider::find(&choice.provider)?;
    let live = Deployment::load(&context.root, &config.name)?.and_then(|d| d.prefix());
    let mut refused = None;
    let prefix = match live {
        Some(prefix) => prefix,
        None => {
            match continuum_provider::claim_prefix(context, provider, config, &config.name).await {
                Ok(prefix) => prefix,
                Err(error) => {
                    // Without libvirt there is nothing to ask; the plan is still worth seeing.
                    refused = matches!(error, Error::Preflight { .. }).then_some(error);
                    continuum_provider::likely_prefix(provider, config)
                }
            }
        }
    };
    let plan = continuum_plan::plan(config, prefix);
    let (warnings, reasons) = match preflight(context, provider, config, &plan, allow).await {
        Ok(warnings) => (warnings, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Ok(Planned {
        choice,
        plan,
        warnings,
        refused: reasons.or(refused),
    })
}

/// Brings a config up. The caller holds the deployment's lock.
pub async fn up(context: &Context, config: &Config, allow: Allow) -> Result<Up, Error> {
    let choice = continuum_provider::choose(context, config).await?;
    let provider = continuum_provider::find(&choice.provider)?;
    if let Some(reason) = &choice.reason {
        let name = provider.name();
        context.progress.line(&format!("provider {name}: {reason}"));
    }
    let text = continuum_config::to_toml(config);
    let mut warnings = Vec::new();
    let mut deployment = match Deployment::load(&context.root, &config.name)? {
        Some(mut live) if live.config() != text => {
            upgrade_in_place(context, provider, config, &mut live)?;
            live
        }
        Some(live) => live,
        None => {
            // The plan for the check needs a prefix; the real one is claimed afterwards.
            let planned = plan_of(context, config, allow).await?;
            if let Some(error) = planned.refused {
                return Err(error);
            }
            warnings = planned.warnings;
            let mut new = Deployment::create(
                &context.root,
                &config.name,
                &text,
                provider.name(),
                &config.infrastructure.qemu.libvirt_uri,
            )?;
            let noted = new
                .add_facts(Facts {
                    login_owner: Some(state::login_owner()),
                    ..Facts::default()
                })
                .and_then(|()| choice.record(&mut new));
            if let Err(error) = noted {
                new.remove()?;
                return Err(error);
            }
            new
        }
    };
    let claimed = tokio::select! {
        claimed = claim(context, provider, config, &mut deployment) => claimed,
        () = context.cancel.cancelled() => Err(Error::Interrupted),
    };
    let plan = match claimed {
        Ok(plan) => plan,
        // Nothing was made yet: a refusal must leave nothing.
        Err(error) if deployment.resources().is_empty() => {
            deployment.remove()?;
            return Err(error);
        }
        Err(error) => return Err(remaining(&deployment, error)),
    };
    renew_keys(context, provider, &mut deployment).await?;
    let names = deployment.resource_names();
    let opened = Secrets::ensure(&deployment)
        .and_then(|secrets| Ok((secrets, Session::new(context, config, plan, deployment)?)));
    let (secrets, mut session) = opened.map_err(|error| Error::Remaining {
        remaining: names,
        name: config.name.clone(),
        source: Box::new(error),
    })?;
    let done = tokio::select! {
        done = phases(&mut session, &secrets) => done,
        () = context.cancel.cancelled() => Err(Error::Interrupted),
    };
    match done {
        Ok(Done { limits, unchanged }) => Ok(Up {
            deployment: session.deployment,
            plan: session.plan,
            limits,
            warnings,
            unchanged,
        }),
        Err(error) => Err(remaining(&session.deployment, error)),
    }
}

/// New keys where those that there are are of no use as this machine's clock has it. Nodes that are processes read theirs at
/// each start; machines have to be made anew, which is for their user to say.
async fn renew_keys(
    context: &Context,
    provider: &dyn Provider,
    deployment: &mut Deployment,
) -> Result<(), Error> {
    let secrets = Secrets::ensure(deployment)?;
    let Some(why) = secrets.fault()? else {
        return Ok(());
    };
    if provider.capabilities().has_machines {
        return check_keys(deployment, &secrets);
    }
    let progress = &context.progress;
    progress.line(&format!("{why}; nodes start again with new ones"));
    let renewed = async {
        provider.destroy(context, deployment).await?;
        secrets.renew(deployment)
    };
    let renewed = renewed.await;
    renewed.map_err(|error| remaining(deployment, error))
}

/// A failure with things left behind.
pub(super) fn remaining(deployment: &Deployment, error: Error) -> Error {
    Error::Remaining {
        remaining: deployment.resource_names(),
        name: deployment.name().to_owned(),
        source: Box::new(error),
    }
}

/// The plan with the deployment's own addresses, claimed if it has none yet.
async fn claim(
    context: &Context,
    provider: &dyn Provider,
    config: &Config,
    deployment: &mut Deployment,
) -> Result<Plan, Error> {
    if let Some(prefix) = deployment.prefix() {
        return Ok(continuum_plan::plan(config, prefix));
    }
    let _claim = AddressLock::take().await?;
    let prefix = continuum_provider::claim_prefix(context, provider, config, &config.name).await?;
    deployment.set_prefix(prefix)?;
    let plan = continuum_plan::plan(config, prefix);
    deployment.set_nodes(plan.nodes.clone())?;
    let secrets = Secrets::ensure(deployment)?;
    provider
        .reserve_prefix(context, config, &plan, &secrets, deployment)
        .await?;
    Ok(plan)
}

/// What the phases came to.
struct Done {
    limits: Vec<LimitReport>,
    unchanged: bool,
}

async fn phases(session: &mut Session, secrets: &Secrets) -> Result<Done, Error> {
    let progress = Arc::clone(&session.context.progress);
    let provider = session.provider;
    let all_run = provider
        .states(&session.context, &session.deployment)
        .await?
        .iter()
        .all(|s| s.state == MachineState::Running);
    let mut unchanged = all_run && session.deployment.is_up();
    if !all_run {
        // A node that is started anew has lost its broker, one that is made anew its links too.
        for phase in Phase::ALL {
            session.deployment.set_undone(phase)?;
        }
    }
    if !session.deployment.is_done(Phase::Infrastructure) {
        let create = provider.create(
            &session.context,
            &session.config,
            &session.plan,
            secrets,
            &mut session.deployment,
        );
        progress.stage("machines", create).await?;
    }
    let answers = infrastructure::wait_for_agents(session);
    let boots = progress.stage("agents", answers).await?;
    let set = super::clocks::set_clocks(session);
    progress.stage("clocks", set).await?;
    let deployment = &mut session.deployment;
    deployment.set_done(Phase::Infrastructure)?;
    let is_same = |(node, boot): (&String, &String)| deployment.boot(node) == Some(boot);
    if !boots.iter().all(is_same) {
        // A machine or an agent that was started again has lost its broker; the links that it kept are applied anew.
        unchanged = false;
        deployment.set_undone(Phase::Software)?;
        deployment.set_undone(Phase::Network)?;
        deployment.set_boots(boots)?;
    }
    // Nobody changes links until they are those of the config.
    let _links = super::links::alone(&session.deployment).await?;
    let as_configured = super::links::are_as_configured(&session.deployment)?;
    // Where links were cut by hand, nodes come back with them.
    if session.deployment.is_done(Phase::Software)
        && as_configured
        && let Some(why) = super::cluster::not_ready_reason(session).await
    {
        progress.line(&format!("{why}; the software is looked at again"));
        unchanged = false;
        session.deployment.set_undone(Phase::Software)?;
    }
    if !as_configured {
        progress.line("links were changed by hand; they become what the config says");
        unchanged = false;
        session.deployment.set_undone(Phase::Network)?;
        super::links::forget_link_requests(&session.deployment)?;
        if !session.deployment.is_done(Phase::Software) {
            // A cluster is not ready before its nodes reach each other.
            let links = network::apply_network(session);
            progress.stage("links", links).await?;
        }
    }
    if session.deployment.is_done(Phase::Network) {
        let missing = super::links::nodes_without_links(session).await?;
        if !missing.is_empty() {
            let nodes = missing.join(", ");
            progress.line(&format!("links of {nodes} are gone; they are made anew"));
            unchanged = false;
            session.deployment.set_undone(Phase::Network)?;
        }
    }
    if !session.deployment.is_done(Phase::Software) {
        progress
            .stage("software", software::install(session))
            .await?;
        let running = super::versions::of_docker(session).await.into_iter();
        session.deployment.add_facts(Facts {
            running: running.collect(),
            ..Facts::default()
        })?;
        if let Some(cluster) = session.cluster() {
            let install = super::cluster::install(session, cluster);
            let facts = progress.stage("cluster", install).await?;
            session.deployment.add_facts(facts)?;
        }
        if let Some(installer) = execution_models::of(&session.config) {
            let facts = progress
                .stage("functions", installer.install(session))
                .await?;
            session.deployment.add_facts(facts)?;
        }
        session.deployment.set_done(Phase::Software)?;
    }
    let mut limits = Vec::new();
    if !session.deployment.is_done(Phase::Network) {
        let links = network::apply_network(session);
        let facts = progress.stage("network", links).await?;
        session.deployment.add_facts(facts)?;
        let set = provider.apply_limits(&session.context, &session.plan, &session.deployment);
        limits = progress.stage("limits", set).await?;
        session.deployment.set_done(Phase::Network)?;
    }
    Ok(Done { limits, unchanged })
}
