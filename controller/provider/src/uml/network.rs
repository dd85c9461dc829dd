//! The network that guests are attached to: a bridge of the deployment's own in the network namespace that the command
//! runs in, or one that the host has.

use crate::error::ProviderError;
use continuum_host::{
    error::Error,
    process,
    state::{Deployment, ResourceKind},
};
use continuum_model::Prefix;
use serde::Deserialize;
use std::time::Duration;

/// Of one change of the kernel's tables.
const DEADLINE: Duration = Duration::from_secs(10);
/// What the alias of every bridge of ours begins with.
const ALIAS: &str = "continuum";

/// Who a bridge belongs to; its alias says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// State directory and user.
    pub(super) root: String,
    pub(super) deployment: String,
    pub(super) uuid: String,
}

impl Owner {
    fn alias(&self) -> String {
        format!("{ALIAS} {} {} {}", self.root, self.uuid, self.deployment)
    }

    fn read(alias: &str) -> Option<Self> {
        let mut words = alias.split(' ');
        if words.next() != Some(ALIAS) {
            return None;
        }
        let (root, uuid, deployment) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            root: root.to_owned(),
            deployment: deployment.to_owned(),
            uuid: uuid.to_owned(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Link {
    ifname: String,
    #[serde(default)]
    ifalias: String,
}

pub(super) fn bridge_name(id: &str) -> String {
    format!("ct{id}")
}

/// The host's end of a node's network device: at most 15 characters.
pub(super) fn interface_name(id: &str, slot: u32) -> String {
    format!("ct{id}-{slot}")
}

fn command(doing: &str, argv: &[&str]) -> String {
    format!("{doing}: `{}`", argv.join(" "))
}

fn failed(doing: &str, argv: &[&str], said: &[u8]) -> Error {
    let said = String::from_utf8_lossy(said);
    let doing = command(doing, argv);
    let said = said.trim().to_owned();
    ProviderError::Program { doing, said }.into()
}

/// Runs a program that answers at once, on a process without threads.
pub(super) fn run_blocking(doing: &str, argv: &[&str]) -> Result<(), Error> {
    let (program, arguments) = argv.split_first().unwrap_or((&"", &[]));
    let output = process::blocking_command(program)
        .args(arguments)
        .output()
        .map_err(|error| ProviderError::NotStarted {
            doing: command(doing, argv),
            error,
            packages: "iproute2 util-linux",
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(doing, argv, &output.stderr))
}

async fn run(doing: &str, argv: &[&str]) -> Result<Vec<u8>, Error> {
    let (program, arguments) = argv.split_first().unwrap_or((&"", &[]));
    let run = process::command(program)
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run)
        .await
        .map_err(|_| Error::Deadline {
            what: format!("`{}`", argv.join(" ")),
            after: DEADLINE,
            last: String::new(),
        })?
        .map_err(|error| ProviderError::NotStarted {
            doing: command(doing, argv),
            error,
            packages: "iproute2",
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(doing, argv, &output.stderr))
}

/// Bridges of ours here, with their owners.
async fn bridges() -> Result<Vec<(String, Owner)>, Error> {
    let doing = "list the bridges of this host";
    let list = run(
        doing,
        &["ip", "-json", "-details", "link", "show", "type", "bridge"],
    )
    .await?;
    let owned = |link: Link| Some((link.ifname, Owner::read(&link.ifalias)?));
    Ok(links(doing, &list)?.into_iter().filter_map(owned).collect())
}

fn links(doing: &str, list: &[u8]) -> Result<Vec<Link>, Error> {
    // Without any the list is empty text in some versions.
    if list.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let doing = doing.to_owned();
    serde_json::from_slice(list).map_err(|source| ProviderError::Answer { doing, source }.into())
}

/// Removes what is plugged into a bridge. It goes with its guest, but the kernel takes its time for that.
async fn unplug(bridge: &str) -> Result<(), Error> {
    let doing = "list what is plugged into a bridge";
    let list = run(doing, &["ip", "-json", "link", "show", "master", bridge]).await?;
    for port in links(doing, &list)? {
        let delete = ["ip", "link", "delete", &port.ifname];
        if let Err(error) = run("unplug a guest", &delete).await {
            tracing::debug!("{}: it may be gone: {error}", port.ifname);
        }
    }
    Ok(())
}

/// Makes the deployment's bridge unless it is there, and gives the host its address on it.
pub(super) async fn create(
    owner: &Owner,
    prefix: Prefix,
    deployment: &mut Deployment,
) -> Result<String, Error> {
    let name = bridge_name(&deployment.id());
    deployment.intend(ResourceKind::Bridge, &name)?;
    let doing = "make the network of the nodes";
    let address = format!("{}/24", prefix.gateway());
    let (alias, name_text) = (owner.alias(), name.clone());
    let name_text = &*name_text;
    if !bridges().await?.iter().any(|(bridge, _)| *bridge == name) {
        run(doing, &["ip", "link", "add", name_text, "type", "bridge"]).await?;
        run(doing, &["ip", "link", "set", name_text, "alias", &alias]).await?;
    }
    // Repeating these is harmless: an earlier `up` may have been killed between them.
    run(
        doing,
        &["ip", "address", "replace", &address, "dev", name_text],
    )
    .await?;
    run(doing, &["ip", "link", "set", name_text, "up"]).await?;
    deployment.confirm(ResourceKind::Bridge, &name, &[])?;
    Ok(name)
}

/// Removes every bridge whose owner is `ours`; says which.
pub(super) async fn remove(ours: &(dyn Fn(&Owner) -> bool + Sync)) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for (name, owner) in bridges().await? {
        if ours(&owner) {
            unplug(&name).await?;
            run("remove a network", &["ip", "link", "delete", &name]).await?;
            removed.push(format!("bridge {name}"));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_says_whose_it_is() {
        let owner = Owner {
            root: "0123456789ab".into(),
            deployment: "lab".into(),
            uuid: uuid::Uuid::nil().to_string(),
        };
        assert_eq!(Owner::read(&owner.alias()), Some(owner));
        for other in ["", "uplink", "continuum", "continuum x y"] {
            assert_eq!(Owner::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn names_of_devices_fit_into_what_the_kernel_takes() {
        let name = interface_name("01234567", 250);
        assert!(name.len() <= 15, "{name}");
    }
}
