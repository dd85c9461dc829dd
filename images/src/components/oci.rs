//! Container images made of programs of other components. What those lack is built first.

use super::{Catalogue, Component, ContainerImage, Fetcher, obtain, store::key};
use crate::{
    bundle,
    cache::Cache,
    error::{ImageError, Report},
    hash, oci, package_tree,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Grows when the way images are made changes.
const FORMAT: &str = "2";

#[derive(Debug)]
pub(super) struct Oci;

/// The component that an image is made of, in the version that belongs to it.
fn origin<'a>(
    catalogue: &'a Catalogue,
    component: &Component,
    image: &ContainerImage,
) -> Result<&'a Component, ImageError> {
    let stack = catalogue.stack(&component.name, Some(&component.version))?;
    let version = stack.versions.get(&image.from).map(String::as_str);
    catalogue.find(&image.from, version)
}

/// The guest's package tree, which has programs that a static one calls.
fn guest_tree(cache: &Cache, report: &dyn Report) -> Result<PathBuf, ImageError> {
    let image = crate::store::current(cache)?;
    package_tree::tree(cache, &image.manifest.packages, report)
}

impl Fetcher for Oci {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn inputs(&self, cache: &Cache, component: &Component) -> Result<String, ImageError> {
        let catalogue = Catalogue::builtin()?;
        let mut parts = BTreeSet::from([FORMAT.to_owned()]);
        for image in component.images.values() {
            parts.insert(key(cache, origin(&catalogue, component, image)?)?);
            if !image.guest_programs.is_empty() {
                parts.insert(crate::store::current(cache)?.manifest.packages.digest());
            }
        }
        Ok(hash::texts(parts.iter().map(String::as_str)))
    }

    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        let catalogue = Catalogue::builtin()?;
        for (name, image) in &component.images {
            let from = obtain(cache, origin(&catalogue, component, image)?, report)?;
            let (program, file) = from.file(&image.program)?;
            hash::verify(&program, &file.sha256)?;
            let inside = format!("/usr/local/bin/{}", image.program);
            let mut files = BTreeMap::from([(inside.clone(), program)]);
            for name in &image.beside {
                let (program, file) = from.file(name)?;
                hash::verify(&program, &file.sha256)?;
                files.insert(format!("/usr/local/bin/{name}"), program);
            }
            for program in &image.guest_programs {
                let tree = guest_tree(cache, report)?;
                files.insert(format!("/{program}"), tree.join(program));
                for (inside, file) in bundle::libraries(&tree, &tree.join(program))? {
                    files.insert(inside, file);
                }
            }
            report.step(&format!("making image {name}:{}", image.tag));
            let spec = oci::ImageSpec {
                reference: component.image_reference(name).unwrap_or_default(),
                entrypoint: vec![inside],
                arguments: Vec::new(),
                env: Vec::new(),
                files,
            };
            oci::write(&spec, &into.join(format!("{name}.tar")))?;
        }
        Ok(())
    }
}
