//! The kernel and the base disk of guests, where a guest's user can read them: in the state directory, by content.

use crate::error::ProviderError;
use continuum_host::{context::Context, error::Error};
use continuum_images::{
    cache::Cache,
    components::{self, Catalogue},
    raw,
    store::Image,
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

const COMPONENT: &str = "uml-kernel";
/// For one core, and for several: a kernel for several is slower on one.
const ONE_CORE: &str = "linux";
const SEVERAL_CORES: &str = "linux-smp";
/// A kernel that guests can be started from.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// Directory with kernel, loader and libraries.
    pub(super) dir: PathBuf,
}

impl Kernel {
    /// File of the kernel for so many processors.
    pub(super) fn file(cores: u32) -> &'static str {
        if cores > 1 { SEVERAL_CORES } else { ONE_CORE }
    }
}

/// What is kept beside the state: copies that other users may read, each whole or not there.
fn readable_copies(context: &Context) -> Result<Cache, Error> {
    Ok(Cache::at(context.root.uml())?)
}

/// The kernel of the catalogue, checked by digest when it is copied.
pub(super) fn kernel(context: &Context) -> Result<Kernel, Error> {
    let catalogue = Catalogue::builtin()?;
    let component = catalogue.find(COMPONENT, None)?;
    let stored = components::find(&context.cache, component)?.ok_or_else(|| {
        let (title, component) = (component.title(), COMPONENT);
        ProviderError::NoKernel { title, component }
    })?;
    let key = stored
        .dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let dir = readable_copies(context)?.get_or_make("kernels", &key, |partial| {
        stored.verify()?;
        copy(
            &stored.files.keys().cloned().collect::<Vec<_>>(),
            &stored.dir,
            partial,
        )
        .map_err(continuum_images::error::ImageError::file(
            "copy",
            &stored.dir,
        ))
    })?;
    Ok(Kernel { dir })
}

/// Copies of kernels other than the catalogue's, with their sizes. A guest that runs keeps what it was started from.
pub(super) fn unused(context: &Context) -> Result<Vec<(PathBuf, u64)>, Error> {
    let current = kernel(context).ok().map(|kernel| kernel.dir);
    let dir = context.root.uml().join("kernels");
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut unused = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(Error::file("list", &dir))? {
        let path = entry.map_err(Error::file("list", &dir))?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if Some(&path) != current.as_ref() && !is_hidden {
            let bytes = continuum_images::store::size_of_tree(&path)?;
            unused.push((path, bytes));
        }
    }
    Ok(unused)
}

/// Kernels and what describes them into the directory, libraries into `lib` below it; all for everybody to read.
fn copy(names: &[String], from: &Path, to: &Path) -> std::io::Result<()> {
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    let libraries = to.join("lib");
    std::fs::create_dir(&libraries)?;
    mode(&libraries, 0o755)?;
    mode(to, 0o755)?;
    for name in names {
        let is_library = name.contains(".so");
        let target = if is_library {
            libraries.join(name)
        } else {
            to.join(name)
        };
        std::fs::copy(from.join(name), &target)?;
        mode(&target, 0o555)?;
    }
    Ok(())
}

/// The image's disk as a raw file that guests read and never write.
pub(super) fn base(context: &Context, image: &Image) -> Result<PathBuf, Error> {
    let copies = readable_copies(context)?;
    Ok(raw::obtain(&copies, image, &*context.progress)?.path)
}
