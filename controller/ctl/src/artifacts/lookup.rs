//! Files that nodes get: found in the store with their digests, or why they are not there and what to type.

use crate::error::CommandError;
use continuum_agents::ArtifactSource;
use continuum_host::{context::Context, error::Error};
use continuum_images::{
    apt::deb_path,
    components::{self, Catalogue, Component, Stored},
    oci, store,
};

/// What to type to have a component in the store.
fn how_to_get(component: &Component) -> String {
    components::fetcher(&component.way).map_or_else(
        |error| error.to_string(),
        |fetcher| fetcher.how_to_get(component),
    )
}

/// Likewise in words when that cannot be found out, as for what is made of a guest image without one.
pub(crate) fn reason(context: &Context, component: &Component) -> Option<String> {
    fault(context, component).unwrap_or_else(|error| {
        Some(format!(
            "{}: {}",
            component.title(),
            continuum_host::error::chain(&error)
        ))
    })
}

/// What is wrong with a component of the store, and what to do; nothing is made before that is known.
fn fault(context: &Context, component: &Component) -> Result<Option<String>, Error> {
    let title = component.title();
    let get = how_to_get(component);
    let Some(stored) = components::find(&context.cache, component)? else {
        return Ok(Some(format!("{title} is not in the store; get it: {get}")));
    };
    Ok(stored.verify().err().map(|error| {
        format!(
            "{title} in the store is not as it came: {}; remove `{}` and get it again: {get}",
            continuum_host::error::chain(&error),
            stored.dir.display()
        )
    }))
}

/// A component from the store. Nodes compare what they are sent with its digests.
pub(crate) fn stored(context: &Context, component: &Component) -> Result<Stored, Error> {
    let stored = components::find(&context.cache, component)?.ok_or_else(|| {
        let (title, how_to_get) = (component.title(), how_to_get(component));
        CommandError::NotStored { title, how_to_get }
    })?;
    Ok(stored)
}

pub(crate) fn artifact(stored: &Stored, name: &str) -> Result<ArtifactSource, Error> {
    let (path, file) = stored.file(name)?;
    let image = name
        .ends_with(".tar")
        .then(|| oci::describe(&path))
        .transpose()?
        .map(|image| image.to_string());
    Ok(ArtifactSource {
        name: name.to_owned(),
        sha256: file.sha256.clone(),
        size_bytes: file.size_bytes,
        path,
        image,
    })
}

/// An archive of a container image that the user brought.
pub fn image_archive(path: &std::path::Path) -> Result<ArtifactSource, Error> {
    let size_bytes = std::fs::metadata(path)
        .map_err(Error::file("read", path))?
        .len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(ArtifactSource {
        name: name.into_owned(),
        sha256: continuum_images::hash::file(path)?,
        size_bytes,
        path: path.to_owned(),
        image: Some(oci::describe(path)?.to_string()),
    })
}

/// Component and image of our applications.
pub(crate) const WORKLOAD: (&str, &str) = ("workload-image", "workload.tar");

/// The image of our applications.
pub fn workload_image(context: &Context) -> Result<ArtifactSource, Error> {
    let catalogue = Catalogue::builtin()?;
    let (name, file) = WORKLOAD;
    let component = catalogue.find(name, None)?;
    artifact(&stored(context, component)?, file)
}

/// All files of a component that belongs to no stack.
pub fn all_files(context: &Context, name: &str) -> Result<Vec<ArtifactSource>, Error> {
    let catalogue = Catalogue::builtin()?;
    let stored = stored(context, catalogue.find(name, None)?)?;
    let names = stored.files.keys();
    names.map(|name| artifact(&stored, name)).collect()
}

/// Why components cannot be had.
pub(crate) fn missing_named(context: &Context, names: &[&str]) -> Vec<String> {
    let check = || -> Result<Vec<String>, Error> {
        let catalogue = Catalogue::builtin()?;
        let mut reasons = Vec::new();
        for name in names.iter().copied() {
            reasons.extend(reason(context, catalogue.find(name, None)?));
        }
        Ok(reasons)
    };
    check().unwrap_or_else(|error| vec![continuum_host::error::chain(&error)])
}

/// Packages kept beside the image for a component.
pub(crate) fn extras(
    context: &Context,
    image: Option<&str>,
    name: &str,
) -> Result<Vec<ArtifactSource>, Error> {
    let (images, _) = store::list(&context.cache)?;
    let image = images
        .iter()
        .find(|i| Some(i.manifest.key.as_str()) == image);
    let lock = image
        .and_then(|i| i.manifest.extras.get(name))
        .ok_or_else(|| {
            let name = name.to_owned();
            CommandError::NoPackages { name }
        })?;
    let source = |p: &continuum_images::package_lock::LockedPackage| ArtifactSource {
        name: p.file_name(),
        sha256: p.sha256.clone(),
        size_bytes: p.size_bytes,
        path: deb_path(&context.cache, p),
        image: None,
    };
    Ok(lock.packages.iter().map(source).collect())
}
