//! Components that the user brings: a directory with their files, by `artifact add NAME PATH`.

use super::{Component, Fetcher, add_command};
use crate::{
    cache::Cache,
    error::{ImageError, Report},
};
use std::path::Path;

#[derive(Debug)]
pub(super) struct File;

impl Fetcher for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn takes_files(&self) -> bool {
        true
    }

    fn how_to_get(&self, component: &Component) -> String {
        add_command(component)
    }

    fn inputs(&self, _cache: &Cache, _component: &Component) -> Result<String, ImageError> {
        Ok(String::new())
    }

    fn obtain(
        &self,
        _cache: &Cache,
        component: &Component,
        _into: &Path,
        _report: &dyn Report,
    ) -> Result<(), ImageError> {
        Err(ImageError::Missing {
            what: component.title(),
            hint: format!(
                "it cannot be built here; bring it: {}",
                add_command(component)
            ),
        })
    }
}
