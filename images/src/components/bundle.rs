//! The workload bundle as a container image: the same files that guests carry, in one layer.

use super::{Component, Fetcher};
use crate::{
    cache::Cache,
    error::{ImageError, Report},
    oci, store,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Grows when the way images are made changes.
const FORMAT: &str = "3";
/// Where the bundle lies in the image, as in guests.
const INSIDE: &str = "/opt/continuum/bundle";

/// The image's program, by the bundle's own loader; its arguments follow.
pub fn command() -> Vec<String> {
    let lib = format!("{INSIDE}/lib");
    vec![
        format!("{lib}/ld-linux-x86-64.so.2"),
        "--library-path".into(),
        lib,
        format!("{INSIDE}/bin/continuum-workload"),
    ]
}

#[derive(Debug)]
pub(super) struct Bundle;

impl Fetcher for Bundle {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn inputs(&self, cache: &Cache, _component: &Component) -> Result<String, ImageError> {
        let bundle = store::current_bundle(cache)?;
        let key = bundle.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("{FORMAT}\n{key}"))
    }

    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        let bundle = store::current_bundle(cache)?;
        let mut files = BTreeMap::new();
        collect(&bundle, INSIDE, &mut files)?;
        for (name, image) in &component.images {
            report.step(&format!("making image {name}:{}", image.tag));
            let spec = oci::ImageSpec {
                reference: component.image_reference(name).unwrap_or_default(),
                entrypoint: command(),
                // Without arguments of its own a container is a function.
                arguments: vec!["function".into(), "--bundle".into(), INSIDE.into()],
                // Each classifier keeps one core busy by itself.
                env: vec!["OMP_NUM_THREADS=1".into(), "OPENBLAS_NUM_THREADS=1".into()],
                files: files.clone(),
            };
            oci::write(&spec, &into.join(format!("{name}.tar")))?;
        }
        Ok(())
    }
}

fn collect(
    dir: &Path,
    inside: &str,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<(), ImageError> {
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        let entry = entry.map_err(ImageError::file("list", dir))?;
        let (path, inside) = (
            entry.path(),
            format!("{inside}/{}", entry.file_name().to_string_lossy()),
        );
        if path.is_dir() {
            collect(&path, &inside, files)?;
        } else {
            files.insert(inside, path);
        }
    }
    Ok(())
}
