//! Before anything else: the network namespace of a deployment of provider `uml` that an ordinary user has. Only a
//! process without threads can join it, so this happens before there are any.

use super::{
    args::{Arguments, Command},
    dashboard,
};
use crate::error::CommandError;
use continuum_config::ProviderKind;
use continuum_host::{
    context::Choice,
    error::Error,
    process,
    state::{Deployment, StateRoot},
};
use continuum_plan::load;
use continuum_provider::{find, uml::namespace as of_uml};
use std::{net::TcpListener, path::Path};

/// What was found out before the command began.
#[derive(Debug, Default)]
pub(super) struct Entered {
    /// What provider `auto` stands for.
    pub(super) chosen: Option<Choice>,
    /// Deployment whose namespace was made or joined for a command that may make it.
    pub(super) namespace_of: Option<String>,
    /// The deployment that is shown, as it was named, and where browsers come in.
    pub(super) dashboard: Option<(String, TcpListener)>,
}

/// What a command is about: the config or name as given, and whether it makes machines.
fn subject<'a>(command: &'a Command, entered: &'a Entered) -> Option<(&'a str, bool)> {
    match command {
        Command::Dashboard { .. } => {
            let (name, _) = entered.dashboard.as_ref()?;
            Some((name, false))
        }
        Command::Up {
            config,
            dry_run: false,
            ..
        }
        | Command::Run { config, .. }
        | Command::Sweep { config, .. }
        | Command::Rate { config, .. } => Some((config, true)),
        Command::Bench { config, .. } => Some((config, false)),
        Command::Ssh { name, .. }
        | Command::Logs { name, .. }
        | Command::Network { name, .. }
        | Command::Agent { name, .. }
        | Command::Functions { name, .. }
        | Command::Status {
            name: Some(name), ..
        } => Some((name, false)),
        _ => None,
    }
}

/// Joins the namespace that the command needs, if it needs one. What is wrong with a config is told later, by the
/// command itself.
pub(super) fn enter(arguments: &Arguments) -> Result<Entered, Error> {
    let mut entered = Entered::default();
    if let Command::Dashboard {
        name,
        address,
        token,
        ..
    } = &arguments.command
    {
        let name = dashboard::subject(&StateRoot::to_look_at()?, name.as_deref())?;
        entered.dashboard = Some((name, dashboard::listen(*address, *token)?));
    } else if let Some((given, address)) = arguments.command.page() {
        entered.dashboard = Some((given.to_owned(), dashboard::listen_beside(address)?));
    }
    if !of_uml::is_needed() {
        return Ok(entered);
    }
    let Some((given, makes_machines)) = subject(&arguments.command, &entered) else {
        return Ok(entered);
    };
    let given = given.to_owned();
    let root = if makes_machines {
        StateRoot::of_user()?
    } else {
        StateRoot::to_look_at()?
    };
    let path = Path::new(&given);
    let checked = path
        .is_file()
        .then(|| load(path, &arguments.set).ok())
        .flatten();
    let name = match &checked {
        Some(checked) => checked.config.name.clone(),
        None if continuum_model::is_name(&given) => given.clone(),
        None => return Ok(entered),
    };
    let live = Deployment::load(&root, &name).ok().flatten();
    let provider = match (&live, &checked) {
        (Some(live), _) => live.provider().to_owned(),
        (None, Some(checked)) if checked.config.infrastructure.provider == ProviderKind::Auto => {
            let choice = choose(&given, &arguments.set)?;
            entered.chosen.insert(choice).provider.clone()
        }
        (None, Some(checked)) => checked.config.infrastructure.provider.to_string(),
        (None, None) => return Ok(entered),
    };
    if find(&provider).is_ok_and(|p| p.capabilities().needs_namespace)
        && of_uml::enter(&root, &name, makes_machines)?
        && makes_machines
    {
        entered.namespace_of = Some(name);
    }
    Ok(entered)
}

/// Asks a process of its own: looking for what works here takes threads.
fn choose(given: &str, set: &[String]) -> Result<Choice, Error> {
    let program = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    let output = process::blocking_command(program)
        .args(["choose-provider", given])
        .args(set.iter().flat_map(|s| ["--set", s]))
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(CommandError::ProviderChoice)?;
    serde_json::from_slice(&output.stdout).map_err(|_| CommandError::NoProvider.into())
}

/// A namespace that nothing came to live in is of no use: its holder is ended.
pub(super) async fn leave(root: &StateRoot, entered: &Entered) -> Result<(), Error> {
    if let Some(name) = &entered.namespace_of
        && Deployment::load(root, name).ok().flatten().is_none()
    {
        of_uml::end(root, name).await?;
    }
    Ok(())
}
