//! Software for nodes beyond Debian's packages: what there is, how it is got, and where it lies.
//!
//! ```text
//! components.toml ─ catalogue ─┬─ go    built from modules, offline once they are in the module cache
//!                              ├─ oci   container images made of other components
//!                              ├─ static  our own programs that stand alone in images
//!                              ├─ bundle  the workload bundle as a container image
//!                              ├─ debian  packages of the guest's release
//!                              ├─ kernel  Linux as a process, built from Debian's kernel source
//!                              ├─ url   downloaded from where it is published
//!                              └─ file  brought by the user
//!                                  └─> store: components/KEY/{component.json, files…}, complete or not there at all
//! ```
//! A fetcher is one trait, one file and one line in `FETCHERS`. What is in the store is checked by digest before it is used.

mod bundle;
mod catalogue;
mod debian;
mod file;
mod go;
mod kernel;
mod kernel_build;
mod kernel_patches;
mod members;
mod oci;
mod static_program;
mod store;
mod url;

use crate::{
    cache::Cache,
    error::{ImageError, Report},
};
use std::path::Path;

pub use bundle::command as workload_command;
pub use catalogue::{Catalogue, Component, ContainerImage, KernelSource, Role, Stack};
pub(crate) use store::mark_imported;
pub use store::{Stored, add, all, find, obtain, unused};

/// How a component is got.
pub trait Fetcher: Sync {
    /// As in the catalogue.
    fn name(&self) -> &'static str;
    /// Whether a user may bring the files of its components, by `artifact add`.
    fn takes_files(&self) -> bool {
        false
    }
    /// What to type to have a component in the store.
    fn how_to_get(&self, component: &Component) -> String {
        build_command(component)
    }
    /// Everything that the result depends on, beside the catalogue's own entry.
    fn inputs(&self, cache: &Cache, component: &Component) -> Result<String, ImageError>;
    /// Puts the component's files into an empty directory.
    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError>;
}

/// Every fetcher; the only place that names them.
pub(crate) const FETCHERS: &[&dyn Fetcher] = &[
    &go::Go,
    &oci::Oci,
    &bundle::Bundle,
    &static_program::StaticProgram,
    &debian::Debian,
    &kernel::Kernel,
    &url::Url,
    &file::File,
];

fn build_command(component: &Component) -> String {
    format!("continuum-ctl artifact build {}", component.name)
}

fn add_command(component: &Component) -> String {
    format!("continuum-ctl artifact add {} PATH", component.name)
}

/// Finds a fetcher by its name.
pub fn fetcher(name: &str) -> Result<&'static dyn Fetcher, ImageError> {
    let names: Vec<_> = FETCHERS.iter().map(|w| w.name()).collect();
    FETCHERS
        .iter()
        .copied()
        .find(|w| w.name() == name)
        .ok_or_else(|| ImageError::Missing {
            what: format!("way `{name}` to get a component"),
            hint: format!("images/components.toml can name {}", names.join(", ")),
        })
}
