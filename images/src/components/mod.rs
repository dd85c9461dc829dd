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
//! A way is one trait, one file and one line in `WAYS`. What is in the store is checked by digest before it is used.

mod alone;
mod bundle;
mod catalogue;
mod debian;
mod file;
mod go;
mod kernel;
mod members;
mod oci;
mod store;
mod url;

use crate::{
    cache::Cache,
    error::{ImageError, Report},
};
use std::path::Path;

pub use bundle::command as workload_command;
pub use catalogue::{
    Carried, Catalogue, Component, ContainerImage, KernelSource, Published, Role, Stack,
};
pub use kernel::library_place;
pub(crate) use store::mark_imported;
pub use store::{Stored, StoredFile, add, all, find, obtain, unused};

/// How a component is got.
pub trait Way: Sync {
    /// As in the catalogue.
    fn name(&self) -> &'static str;
    /// In one line.
    fn summary(&self) -> &'static str;
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

/// Every way; the only place that names them.
pub const WAYS: &[&dyn Way] = &[
    &go::Go,
    &oci::Oci,
    &bundle::Bundle,
    &alone::Alone,
    &debian::Debian,
    &kernel::Kernel,
    &url::Url,
    &file::File,
];

/// Finds a way by its name.
pub fn way(name: &str) -> Result<&'static dyn Way, ImageError> {
    let names: Vec<_> = WAYS.iter().map(|w| w.name()).collect();
    WAYS.iter()
        .copied()
        .find(|w| w.name() == name)
        .ok_or_else(|| ImageError::Missing {
            what: format!("way `{name}` to get a component"),
            hint: format!("images/components.toml can name {}", names.join(", ")),
        })
}
