//! Debian packages with all that they need beyond the guest's own: resolved when they are got, kept as they were then.

use super::{Component, Fetcher};
use crate::{
    apt::{Apt, deb_path},
    cache::Cache,
    error::{ImageError, Report},
    spec::PackageSet,
    store,
};
use std::path::Path;

#[derive(Debug)]
pub(super) struct Debian;

impl Fetcher for Debian {
    fn name(&self) -> &'static str {
        "debian"
    }

    fn inputs(&self, cache: &Cache, component: &Component) -> Result<String, ImageError> {
        // Packages that the guest has already are left out, so its own matter.
        let guest = store::current(cache)?.manifest.packages;
        Ok(format!(
            "{}\n{}",
            component.packages.join("\n"),
            guest.digest()
        ))
    }

    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        let guest = store::current(cache)?.manifest.packages;
        let apt = Apt::new(cache, &guest.suite)?;
        apt.update()?;
        let all = PackageSet {
            packages: [guest.asked.clone(), component.packages.clone()].concat(),
        };
        let lock = apt.resolve(&[&all])?.without(&guest);
        apt.download(cache, &lock, report)?;
        for package in &lock.packages {
            let from = deb_path(cache, package);
            let to = into.join(package.file_name());
            std::fs::copy(&from, &to).map_err(ImageError::file("copy", &from))?;
        }
        Ok(())
    }
}
