//! Finished images: built, listed, verified.

use crate::{
    apt::Apt,
    binaries, bundle,
    cache::{self, Cache},
    error::{ImageError, Report},
    ext4, guest, hash, initrd,
    lock::Lock,
    root,
    spec::{PackageSet, SourceTree},
    weights,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

const FORMAT: &str = "3";
const KIND: &str = "images";
const CURRENT: &str = "images/current";

/// What an image is made of; `manifest.json` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Stands for all inputs.
    pub key: String,
    /// Debian release.
    pub suite: String,
    /// Digest of the agent in it.
    pub agent_sha256: String,
    /// Key of the workload bundle in it.
    pub bundle: String,
    /// Files of the image with their digests.
    pub files: BTreeMap<String, String>,
    /// Packed size.
    pub disk_bytes: u64,
    /// Packages with version and digest.
    pub packages: Lock,
    /// Packages beside the image, by component.
    pub extras: BTreeMap<String, Lock>,
}

/// An image in the cache.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its directory.
    pub dir: PathBuf,
    /// What it is made of.
    pub manifest: Manifest,
}

impl Image {
    pub(crate) fn load(dir: PathBuf) -> Result<Self, ImageError> {
        let path = dir.join("manifest.json");
        let text = std::fs::read_to_string(&path).map_err(ImageError::file("read", &path))?;
        let manifest = serde_json::from_str(&text).map_err(|e| ImageError::Parse {
            path,
            why: e.to_string(),
        })?;
        Ok(Self { dir, manifest })
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Reads every file again; the first that is not as recorded is an error.
    pub fn verify(&self) -> Result<(), ImageError> {
        for (name, want) in &self.manifest.files {
            hash::verify(&self.file(name), want)?;
        }
        Ok(())
    }
}

/// What to build with.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Use these package versions instead of the newest; the .debs must be in the cache.
    pub locked: Option<PathBuf>,
}

/// A build root that is ready.
#[derive(Debug, Clone)]
pub struct BuildRoot {
    /// Its tree.
    pub tree: PathBuf,
    /// Its key.
    pub key: String,
}

fn locks_of(
    apt: &Apt,
    name: &str,
    sets: &[&PackageSet],
    cache: &Cache,
) -> Result<Lock, ImageError> {
    let lock = apt.resolve(sets)?;
    let path = cache.subdir("locks")?.join(format!("{name}.toml"));
    std::fs::write(&path, lock.to_toml()).map_err(ImageError::file("write", &path))?;
    Ok(lock)
}

/// Makes the build root, or takes the one of the same packages.
pub fn build_root(
    cache: &Cache,
    source: &SourceTree,
    report: &dyn Report,
) -> Result<BuildRoot, ImageError> {
    let spec = source.packages()?;
    let apt = Apt::new(cache, &spec.suite)?;
    apt.update()?;
    let lock = locks_of(&apt, "build-root", &[&spec.build_root], cache)?;
    apt.download(cache, &lock, report)?;
    let tree = root::tree(cache, &lock, report)?;
    Ok(BuildRoot {
        tree,
        key: lock.digest(),
    })
}

/// Makes the workload bundle.
pub fn build_bundle(
    cache: &Cache,
    source: &SourceTree,
    build_root: &BuildRoot,
    report: &dyn Report,
) -> Result<(binaries::Binaries, PathBuf), ImageError> {
    let BuildRoot { tree, key } = build_root;
    let programs = binaries::build(cache, source, tree, key, report)?;
    let weights = weights::published(cache, &source.packages()?.weights, report)?;
    let bundle = bundle::build(
        cache,
        source,
        tree,
        key,
        &programs.workload,
        &weights,
        report,
    )?;
    let current = cache.subdir("bundles")?.join("current");
    write_current(&current, &bundle)?;
    Ok((programs, bundle))
}

fn write_current(pointer: &Path, target: &Path) -> Result<(), ImageError> {
    let name = target
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let temporary = pointer.with_extension("new");
    std::fs::write(&temporary, name).map_err(ImageError::file("write", &temporary))?;
    std::fs::rename(&temporary, pointer).map_err(ImageError::file("rename to", pointer))
}

/// Makes an image, or takes the one of the same inputs, and makes it the current one.
pub fn build(
    cache: &Cache,
    source: &SourceTree,
    options: &BuildOptions,
    report: &dyn Report,
) -> Result<Image, ImageError> {
    let spec = source.packages()?;
    let build_root = build_root(cache, source, report)?;
    let (programs, bundle) = build_bundle(cache, source, &build_root, report)?;
    let apt = Apt::new(cache, &spec.suite)?;
    let packages = match &options.locked {
        Some(path) => Lock::load(path)?,
        None => locks_of(&apt, "guest", &[&spec.guest], cache)?,
    };
    apt.download(cache, &packages, report)?;
    let mut extras = BTreeMap::new();
    for (name, set) in &spec.extras {
        let lock = apt.resolve(&[&spec.guest, set])?.without(&packages);
        apt.download(cache, &lock, report)?;
        extras.insert(name.clone(), lock);
    }
    let packages_key = packages.digest();
    let tree = root::tree(cache, &packages, report)?;
    let base = guest::base(cache, source, &tree, &packages_key, report)?;
    let agent_sha256 = hash::file(&programs.agent)?;
    let bundle_key = bundle
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let base_key = base
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let extras_text = extras
        .values()
        .map(Lock::digest)
        .collect::<Vec<_>>()
        .join("\n");
    let key = hash::texts([
        FORMAT,
        initrd::INIT,
        &*base_key,
        &agent_sha256,
        &bundle_key,
        &extras_text,
    ]);
    let dir = cache.get_or_make(KIND, &key, |partial| {
        report.step("making the guest's disk");
        let stage = partial.join("tree");
        guest::stage(&base, &programs.agent, &bundle, &stage)?;
        let raw = partial.join("disk.raw");
        ext4::make(&build_root.tree, &stage, &raw)?;
        let disk = partial.join("disk.qcow2");
        ext4::pack(&raw, &disk)?;
        let version = guest::kernel_version(&stage)?;
        let early = source.guest()?.early_modules;
        initrd::unpack_kernel(&guest::kernel(&stage)?, &partial.join("kernel"))?;
        initrd::make(&stage, &version, &early, &partial.join("initrd"))?;
        report.step("computing digests");
        cache::remove(&raw)?;
        cache::remove(&stage)?;
        let mut files = BTreeMap::new();
        for name in ["disk.qcow2", "kernel", "initrd"] {
            files.insert(name.to_owned(), hash::file(&partial.join(name))?);
        }
        let manifest = Manifest {
            key: key.clone(),
            suite: packages.suite.clone(),
            agent_sha256: agent_sha256.clone(),
            bundle: bundle_key.clone(),
            files,
            disk_bytes: std::fs::metadata(&disk)
                .map_err(ImageError::file("read", &disk))?
                .len(),
            packages: packages.clone(),
            extras: extras.clone(),
        };
        let path = partial.join("manifest.json");
        let text = serde_json::to_string_pretty(&manifest).map_err(|e| ImageError::Parse {
            path: path.clone(),
            why: e.to_string(),
        })?;
        std::fs::write(&path, text).map_err(ImageError::file("write", &path))
    })?;
    write_current(&cache.path(CURRENT), &dir)?;
    Image::load(dir)
}

fn read_current(cache: &Cache, pointer: &str, what: &str) -> Result<String, ImageError> {
    std::fs::read_to_string(cache.path(pointer)).map_err(|_| ImageError::Missing {
        what: what.to_owned(),
        hint: "build one: continuum-ctl image build".into(),
    })
}

/// The image made last.
pub fn current(cache: &Cache) -> Result<Image, ImageError> {
    let key = read_current(cache, CURRENT, "a guest image")?;
    Image::load(cache.path(KIND).join(key.trim()))
}

/// Makes an image that is in the cache the one that `up` takes.
pub fn make_current(cache: &Cache, key: &str) -> Result<(), ImageError> {
    write_current(&cache.path(CURRENT), &cache.path(KIND).join(key))
}

/// Images and bundles that are neither the current ones nor kept, with their sizes in bytes.
pub fn unused(cache: &Cache, kept: &BTreeSet<String>) -> Result<Vec<(PathBuf, u64)>, ImageError> {
    let mut found = Vec::new();
    let mut kept = kept.clone();
    // Images first: a kept one keeps its bundle.
    for kind in [KIND, "bundles"] {
        let dir = cache.subdir(kind)?;
        let current = std::fs::read_to_string(dir.join("current")).unwrap_or_default();
        for entry in std::fs::read_dir(&dir).map_err(ImageError::file("list", &dir))? {
            let path = entry.map_err(ImageError::file("list", &dir))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // What begins with a dot is being made.
            if !path.is_dir() || name.starts_with('.') {
                continue;
            }
            if current.trim() == name || kept.contains(&*name) {
                if kind == KIND {
                    kept.insert(Image::load(path)?.manifest.bundle);
                }
                continue;
            }
            let bytes = size_of_tree(&path)?;
            found.push((path, bytes));
        }
    }
    found.sort();
    Ok(found)
}

fn size_of_tree(dir: &Path) -> Result<u64, ImageError> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        let entry = entry.map_err(ImageError::file("list", dir))?;
        let meta = entry
            .metadata()
            .map_err(ImageError::file("read", entry.path()))?;
        bytes += if meta.is_dir() {
            size_of_tree(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(bytes)
}

/// An image by its key.
pub fn find(cache: &Cache, key: &str) -> Result<Image, ImageError> {
    let dir = cache.path(KIND).join(key);
    if dir.join("manifest.json").exists() {
        return Image::load(dir);
    }
    Err(ImageError::Missing {
        what: format!("guest image {key}"),
        hint: "the deployment was made with it; take it down, and bring it up with the current one"
            .into(),
    })
}

/// The bundle made last.
pub fn current_bundle(cache: &Cache) -> Result<PathBuf, ImageError> {
    let key = read_current(cache, "bundles/current", "a workload bundle")?;
    let dir = cache.path("bundles").join(key.trim());
    if dir.join("bin/continuum-workload").exists() {
        return Ok(dir);
    }
    Err(ImageError::Missing {
        what: format!("the workload bundle `{}`", dir.display()),
        hint: "build it again: continuum-ctl image build --bundle-only".into(),
    })
}

/// All images, and the key of the current one.
pub fn list(cache: &Cache) -> Result<(Vec<Image>, Option<String>), ImageError> {
    let dir = cache.subdir(KIND)?;
    let mut images = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(ImageError::file("list", &dir))? {
        let path = entry.map_err(ImageError::file("list", &dir))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            images.push(Image::load(path)?);
        }
    }
    images.sort_by(|a, b| a.manifest.key.cmp(&b.manifest.key));
    let current = std::fs::read_to_string(cache.path(CURRENT)).ok();
    Ok((images, current.map(|c| c.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_current_or_kept_stays_with_its_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        for (image, bundle) in [("new", "b-new"), ("kept", "b-kept"), ("old", "b-old")] {
            let manifest = Manifest {
                key: image.into(),
                suite: "trixie".into(),
                agent_sha256: String::new(),
                bundle: bundle.into(),
                files: BTreeMap::new(),
                disk_bytes: 0,
                packages: Lock::default(),
                extras: BTreeMap::new(),
            };
            let text = serde_json::to_string(&manifest).unwrap();
            let at = cache.subdir(Path::new(KIND).join(image)).unwrap();
            std::fs::write(at.join("manifest.json"), text).unwrap();
            let at = cache.subdir(Path::new("bundles").join(bundle)).unwrap();
            std::fs::write(at.join("bin"), "12345").unwrap();
        }
        cache.subdir("images/.being-made.partial").unwrap();
        make_current(&cache, "new").unwrap();
        let kept = BTreeSet::from(["kept".to_owned()]);
        let unused = unused(&cache, &kept).unwrap();
        let names: Vec<_> = unused
            .iter()
            .map(|(p, _)| p.strip_prefix(dir.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["bundles/b-old", "images/old"]);
        assert_eq!(unused[0].1, 5);
    }
}
