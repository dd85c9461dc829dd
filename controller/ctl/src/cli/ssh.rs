//! ssh to nodes: keys and known hosts of the deployment's own, host keys checked.

use crate::{error::CommandError, session};
use continuum_host::{
    context::Context,
    error::Error,
    keys::Secrets,
    state::{Deployment, write_secret},
};
use continuum_model::Plan;
use std::{fmt::Write, os::unix::process::CommandExt};

/// Whether nodes are machines that one can log in to.
fn has_machines(deployment: &Deployment) -> bool {
    continuum_provider::find(deployment.provider()).is_ok_and(|p| p.capabilities().has_machines)
}

/// Whether their network is none of the host's.
fn has_namespace(deployment: &Deployment) -> bool {
    let provider = continuum_provider::find(deployment.provider());
    continuum_provider::uml::namespace::is_needed()
        && provider.is_ok_and(|p| p.capabilities().needs_namespace)
}

/// Writes `ssh_config` and `known_hosts` into the deployment's directory.
pub(super) fn write_files(deployment: &Deployment, plan: &Plan) -> Result<(), Error> {
    if !has_machines(deployment) {
        return Ok(());
    }
    let secrets = Secrets::open(deployment)?;
    let (mut config, mut hosts) = (String::new(), String::new());
    let known = deployment.dir().join("known_hosts");
    for node in &plan.nodes {
        let key = secrets.host_key(&node.name)?.public;
        writeln!(hosts, "{} {}", node.address, key.trim()).ok();
        writeln!(
            config,
            "Host {}\n  HostName {}\n  User {}\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile \"{}\"\n  StrictHostKeyChecking yes\n",
            node.name,
            node.address,
            continuum_host::state::login_user(deployment, &node.name),
            secrets.user_key_path().display(),
            known.display()
        )
        .ok();
    }
    write_new(&known, &hosts)?;
    write_new(&deployment.dir().join("ssh_config"), &config)
}

/// Only when it says something new: another ssh may be reading it.
fn write_new(path: &std::path::Path, text: &str) -> Result<(), Error> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    write_secret(path, text.as_bytes())
}

/// One line per node, to be typed.
pub(super) fn lines(deployment: &Deployment, plan: &Plan) -> Vec<String> {
    if !has_machines(deployment) {
        return Vec::new();
    }
    let config = deployment.dir().join("ssh_config");
    let line = |node: &str| {
        if has_namespace(deployment) {
            // This program joins it.
            format!("continuum-ctl ssh {} {node}", deployment.name())
        } else {
            format!("ssh -F {} {node}", config.display())
        }
    };
    plan.nodes.iter().map(|n| line(&n.name)).collect()
}

/// Becomes ssh.
pub(super) fn ssh(
    context: &Context,
    name: &str,
    node: &str,
    command: &[String],
) -> Result<(), Error> {
    let (deployment, _, plan) = session::open(context, name)?;
    deployment.node(node)?;
    if !has_machines(&deployment) {
        let node = node.to_owned();
        return Err(CommandError::NoMachine { node }.into());
    }
    write_files(&deployment, &plan)?;
    context.progress.finish();
    let mut ssh = continuum_host::process::command("ssh").into_std();
    ssh.arg("-F")
        .arg(deployment.dir().join("ssh_config"))
        .args(["-o", "ConnectTimeout=15", "--"])
        .arg(node)
        .args(command);
    ssh.stdin(std::process::Stdio::inherit());
    Err(Error::file("start", "ssh")(ssh.exec()))
}
