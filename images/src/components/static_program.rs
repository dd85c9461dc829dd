//! Our own programs that stand alone in container images: those of the current guest image's sources.

use super::{Component, Fetcher};
use crate::{
    cache::Cache,
    error::{ImageError, Report},
    store::keys,
};
use std::path::{Path, PathBuf};

/// Beside the programs that `image build` made.
const POINTER: &str = "binaries/current-static";

#[derive(Debug)]
pub(super) struct StaticProgram;

fn current(cache: &Cache) -> Result<PathBuf, ImageError> {
    let key = keys(cache, POINTER).into_iter().next();
    let key = key.ok_or_else(|| ImageError::Missing {
        what: "gateway, watchdog and functions, which are compiled with the guest image".into(),
        hint: "continuum-ctl image build".into(),
    })?;
    let dir = Path::new("binaries").join(key);
    Ok(cache.find(&dir).unwrap_or_else(|| cache.path(dir)))
}

impl Fetcher for StaticProgram {
    fn name(&self) -> &'static str {
        "static"
    }

    fn inputs(&self, cache: &Cache, _component: &Component) -> Result<String, ImageError> {
        let dir = current(cache)?;
        Ok(dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned())
    }

    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        _report: &dyn Report,
    ) -> Result<(), ImageError> {
        let dir = current(cache)?;
        for program in component.programs.keys() {
            let from = dir.join(program);
            std::fs::copy(&from, into.join(program)).map_err(ImageError::file("copy", &from))?;
        }
        Ok(())
    }
}
