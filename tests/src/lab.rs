//! A deployment `lab` of provider `local`, machines only: what needs no workload bundle. With a directory of its own.

use crate::ctl::Ctl;
use anyhow::Context;
use std::{os::unix::fs::PermissionsExt, path::PathBuf};

/// One edge node.
pub const CONFIG: &str = "[infrastructure]\nprovider = \"local\"\ninfra_only = true\n[infrastructure.edge]\nnodes = 1\n\
                          cores = 1\nmemory_mib = 256\n";

#[derive(Debug)]
pub struct Lab {
    // Dropped first: its `down` needs the directory.
    pub ctl: Ctl,
    dir: tempfile::TempDir,
    /// The path of its config.
    pub config: String,
}

impl Lab {
    pub fn new() -> anyhow::Result<Self> {
        Self::of(CONFIG)
    }

    /// With that config.
    pub fn of(config: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("make a directory")?;
        let mut lab = Self {
            ctl: Ctl::new(dir.path().join("state")),
            dir,
            config: String::new(),
        };
        lab.config = lab.write("lab.toml", config)?;
        Ok(lab)
    }

    /// With its nodes.
    pub fn up() -> anyhow::Result<Self> {
        let lab = Self::new()?;
        lab.ctl.expect(0, &["up", &lab.config])?;
        Ok(lab)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of its directory; its path.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// Writes a program for the shell; its path.
    pub fn script(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.write(name, &format!("#!/bin/sh\n{text}\n"))?;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).with_context(|| format!("make {path} a program"))?;
        Ok(path)
    }

    /// An agent that never answers.
    pub fn silent_agent(&self) -> anyhow::Result<String> {
        self.script("silent-agent", "exec sleep 300")
    }
}
