//! Images made: the parts, each cached, and what is put together of them.

use crate::{
    apt::Apt,
    binaries, bundle,
    cache::{self, Cache},
    components::{self, Catalogue},
    containers,
    error::{ImageError, Report},
    ext4, guest, hash, initrd, oci,
    package_lock::Lock,
    package_tree,
    spec::{PackageSet, SourceTree},
    store::{Image, KIND, Manifest, name_of, pointer, write_current},
    weights,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const FORMAT: &str = "3";
/// Where an agent keeps what it was sent, by digest.
const AGENT_ARTIFACTS: &str = "var/lib/continuum-agent/artifacts";

#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Use these package versions instead of the newest; the .debs must be in the cache.
    pub locked: Option<PathBuf>,
    /// Also make the image of this role.
    pub role: Option<String>,
}

/// A build root that is ready.
#[derive(Debug, Clone)]
pub struct BuildRoot {
    pub tree: PathBuf,
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
    let tree = package_tree::tree(cache, &lock, report)?;
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
    let bundle = bundle::build(cache, source, tree, key, &programs, &weights, report)?;
    let current = cache.subdir("bundles")?.join("current");
    write_current(&current, &bundle)?;
    Ok((programs, bundle))
}

/// Everything that an image is made of.
struct Parts<'a> {
    source: &'a SourceTree,
    build_root: BuildRoot,
    base: PathBuf,
    base_key: String,
    agent: PathBuf,
    agent_sha256: String,
    bundle: PathBuf,
    bundle_key: String,
    packages: Lock,
    extras: BTreeMap<String, Lock>,
}

impl<'a> Parts<'a> {
    fn get(
        cache: &Cache,
        source: &'a SourceTree,
        options: &BuildOptions,
        report: &dyn Report,
    ) -> Result<Self, ImageError> {
        let spec = source.packages()?;
        let build_root = build_root(cache, source, report)?;
        let (programs, bundle) = build_bundle(cache, source, &build_root, report)?;
        // Named, so that nobody prunes them while they are needed here.
        if let Some(dir) = programs.agent.parent() {
            write_current(&cache.subdir("binaries")?.join("current"), dir)?;
        }
        let alone =
            binaries::build_static(cache, source, &build_root.tree, &build_root.key, report)?;
        write_current(&cache.subdir("binaries")?.join("current-static"), &alone)?;
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
        let tree = package_tree::tree(cache, &packages, report)?;
        let base = guest::base(cache, source, &tree, &packages.digest(), report)?;
        Ok(Self {
            source,
            build_root,
            base_key: base.parent().map(name_of).unwrap_or_default(),
            base,
            agent_sha256: hash::file(&programs.agent)?,
            agent: programs.agent,
            bundle_key: name_of(&bundle),
            bundle,
            packages,
            extras,
        })
    }

    fn key(&self, role: &str, carried: &[Carried]) -> String {
        let extras: Vec<_> = self.extras.values().map(Lock::digest).collect();
        let extras = extras.join("\n");
        let plain = [
            FORMAT,
            initrd::INIT,
            &self.base_key,
            &self.agent_sha256,
            &self.bundle_key,
            &extras,
        ];
        let digests = carried.iter().map(|c| c.sha256.as_str());
        let role = Some(role).filter(|r| !r.is_empty()).into_iter();
        hash::texts(plain.into_iter().chain(role).chain(digests))
    }

    fn make(
        &self,
        cache: &Cache,
        role: &str,
        carried: &[Carried],
        report: &dyn Report,
    ) -> Result<PathBuf, ImageError> {
        let key = self.key(role, carried);
        cache.get_or_make(KIND, &key, |partial| {
            // The disk before it is packed, and after.
            cache.require_free(if role.is_empty() { 4 } else { 9 })?;
            report.step("making the guest's disk");
            let stage = partial.join("tree");
            guest::stage(&self.base, &self.agent, &self.bundle, &stage)?;
            carry(carried, &stage, report)?;
            let raw = partial.join("disk.raw");
            ext4::make(&self.build_root.tree, &stage, &raw)?;
            let disk = partial.join("disk.qcow2");
            ext4::pack(&raw, &disk)?;
            let version = guest::kernel_version(&stage)?;
            let early = self.source.guest()?.early_modules;
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
                suite: self.packages.suite.clone(),
                agent_sha256: self.agent_sha256.clone(),
                bundle: self.bundle_key.clone(),
                files,
                disk_bytes: std::fs::metadata(&disk)
                    .map_err(ImageError::file("read", &disk))?
                    .len(),
                packages: self.packages.clone(),
                extras: self.extras.clone(),
                role: role.to_owned(),
                containers: carried.iter().filter_map(|c| c.image.clone()).collect(),
            };
            let path = partial.join("manifest.json");
            let text = serde_json::to_string_pretty(&manifest).map_err(|e| ImageError::Parse {
                path: path.clone(),
                why: e.to_string(),
            })?;
            std::fs::write(&path, text).map_err(ImageError::file("write", &path))
        })
    }
}

/// A file to put into a guest.
struct Carried {
    name: String,
    path: PathBuf,
    sha256: String,
    /// For an archive of a container image, which one that is.
    image: Option<String>,
}

/// The files of a role, each read again before it is used.
fn carried_by(cache: &Cache, role: &str) -> Result<Vec<Carried>, ImageError> {
    let catalogue = Catalogue::builtin()?;
    let mut all = Vec::new();
    for carried in catalogue.role(role)? {
        let component = carried.component;
        let stored = components::find(cache, component)?.ok_or_else(|| ImageError::Missing {
            what: format!("{} in the store", component.title()),
            hint: format!("get it: continuum-ctl artifact build {}", component.name),
        })?;
        stored.verify()?;
        for (name, file) in &stored.files {
            let is_wanted = match carried.programs {
                Some(programs) => programs.contains(name),
                None => name.ends_with(".tar"),
            };
            if !is_wanted {
                continue;
            }
            let path = stored.dir.join(name);
            let is_image = carried.programs.is_none();
            let image = is_image.then(|| oci::describe(&path)).transpose()?;
            all.push(Carried {
                name: name.clone(),
                image: image.map(|i| i.to_string()),
                sha256: file.sha256.clone(),
                path,
            });
        }
    }
    Ok(all)
}

/// Puts programs where the agent keeps what it was sent, and images into containerd's store.
fn carry(carried: &[Carried], tree: &Path, report: &dyn Report) -> Result<(), ImageError> {
    let (images, programs): (Vec<_>, Vec<_>) = carried.iter().partition(|c| c.image.is_some());
    for program in programs {
        let dir = tree.join(AGENT_ARTIFACTS).join(&program.sha256);
        std::fs::create_dir_all(&dir).map_err(ImageError::file("create", &dir))?;
        let to = dir.join(&program.name);
        std::fs::copy(&program.path, &to).map_err(ImageError::file("copy", &program.path))?;
    }
    if images.is_empty() {
        return Ok(());
    }
    report.step("importing container images");
    let paths: Vec<_> = images.iter().map(|c| c.path.clone()).collect();
    containers::import(tree, &paths)
}

/// Makes an image, or takes the one of the same inputs, and makes it the current one. With a role that one is made too,
/// of the same parts, and returned.
pub fn build(
    cache: &Cache,
    source: &SourceTree,
    options: &BuildOptions,
    report: &dyn Report,
) -> Result<Image, ImageError> {
    let parts = Parts::get(cache, source, options, report)?;
    let plain = parts.make(cache, "", &[], report)?;
    write_current(&cache.path(pointer("")), &plain)?;
    let Some(role) = &options.role else {
        return Image::load(plain);
    };
    let carried = carried_by(cache, role)?;
    let dir = parts.make(cache, role, &carried, report)?;
    write_current(&cache.path(pointer(role)), &dir)?;
    Image::load(dir)
}
