//! Configs and deployments as users name them.

use continuum_config::Checked;
use continuum_host::{context::Context, error::Error, progress::note, state::Deployment};
use continuum_plan::load;
use std::path::Path;

/// A config as its user names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    /// File, or name of a deployment.
    pub(super) config: &'a str,
    /// Of `--set`.
    pub(super) set: &'a [String],
}

impl<'a> Given<'a> {
    pub(super) fn new(config: &'a str, set: &'a [String]) -> Self {
        Self { config, set }
    }
}

/// A config by file, or by the name of a live deployment.
pub(super) fn find_config(context: &Context, given: Given<'_>) -> Result<Checked, Error> {
    let Given { config: given, set } = given;
    let path = Path::new(given);
    // A directory of the same name is not meant.
    if !path.is_file()
        && continuum_model::is_name(given)
        && let Some(live) = Deployment::load(&context.root, given)?
    {
        let checked = continuum_plan::parse(live.config(), given, false, given, set)?;
        return Ok(checked);
    }
    // A word without a dot or a slash was meant for the name of a deployment, or may have been.
    if !path.exists() && continuum_model::is_name(given) && path.extension().is_none() {
        return Err(Error::NoConfig {
            given: given.to_owned(),
            known: context.root.names()?,
        });
    }
    Ok(load(path, set)?)
}

/// What `down` is to remove.
pub(super) struct Target {
    pub(super) name: String,
    /// Where machines of a deployment without state would be.
    pub(super) libvirt_uri: String,
}

/// The name that a config file or a name stands for, even when the file is gone or bad.
pub(super) fn find_name(context: &Context, given: &str, set: &[String]) -> Result<Target, Error> {
    let target = |name: String, libvirt_uri: Option<String>| Target {
        name,
        libvirt_uri: libvirt_uri.unwrap_or_else(|| "qemu:///system".into()),
    };
    let by_override = set.iter().rev().find_map(|s| s.strip_prefix("name="));
    let by_override = by_override.map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
    let is_live = |name: &str| {
        let dir = context.root.deployment(name);
        dir.is_ok_and(|dir| dir.join("state.json").exists())
    };
    if by_override.is_none() && is_live(given) {
        return Ok(target(given.to_owned(), None));
    }
    let path = Path::new(given);
    if path.is_file() {
        match load(path, set) {
            Ok(checked) => {
                let config = checked.config;
                return Ok(target(
                    config.name,
                    Some(config.infrastructure.qemu.libvirt_uri),
                ));
            }
            Err(error) => note(&format!(
                "warning: failed to {}",
                continuum_host::error::chain(&error)
            )),
        }
    }
    // `down` of a file that was deleted or broken must still work.
    let stem = || {
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        // `lab` is a name, and so is `lab.v2`.
        if path.extension().is_some_and(|e| e == "toml" || e == "cfg") {
            stem
        } else {
            None
        }
    };
    let name = by_override
        .or_else(stem)
        .unwrap_or_else(|| given.to_owned());
    if continuum_model::is_name(&name) {
        return Ok(target(name, None));
    }
    Err(Error::NoName { name })
}
