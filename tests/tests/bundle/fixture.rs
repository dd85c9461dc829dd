//! A state directory and a place for results, gone when the test is over.

use anyhow::Context;
use continuum_tests::ctl::Ctl;
use std::path::PathBuf;

pub(crate) struct Fixture {
    // Dropped first: its `down` needs the directory.
    pub(crate) ctl: Ctl,
    pub(crate) dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("make a directory")?;
        let ctl = Ctl::new(dir.path().join("state"));
        Ok(Self { ctl, dir })
    }

    pub(crate) fn results(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
