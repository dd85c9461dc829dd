//! Linux as a process (`ARCH=um`), built from Debian's kernel source in a root of its own: the host's compiler has no part
//! in it. Which source that was, by version and digest, is in the component's lock; its .deb stays in the cache, since
//! Debian drops versions.
//!
//! ```text
//! newest source served ──┐
//! images/uml/config ─────┼─ build root ──> linux
//! images/uml/smp ────────┤            └──> linux-smp      (where the source has such)
//! images/uml/*.patch ────┘
//!                                          libraries and their loader, modules.builtin, lock.toml
//! ```
//! Programs and libraries belong together: the host's libc may be older than the one that they were linked to.

use super::{
    Component, Fetcher, KernelSource,
    kernel_build::{Build, CONFIG, unknown},
    kernel_patches::PATCHES,
};
use crate::{
    apt::{Apt, deb_path},
    bundle,
    cache::{self, Cache},
    error::{ImageError, Report},
    hash,
    package_lock::{Lock, LockedPackage},
    package_tree,
    spec::{PackageSet, read_toml},
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Grows when the way of building changes.
const FORMAT: &str = "2";
const SMP: &str = include_str!("../../uml/smp");
/// Programs, with what each has beyond the common configuration. Built one after the other in one directory, so that the
/// second takes from the first whatever is the same.
const PROGRAMS: [(&str, &str); 2] = [("linux", ""), ("linux-smp", SMP)];
/// Loaded when a thread is ended, as at power-off; without it the kernel ends by an abort instead.
const LOADED_LATER: &str = "usr/lib/x86_64-linux-gnu/libgcc_s.so.1";
const LOCK: &str = "lock.toml";

/// What was built of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelLock {
    /// Options of ours that this source does not have.
    unknown: Vec<String>,
    source: LockedPackage,
    build_root: Lock,
}

impl KernelLock {
    fn debs(&self) -> Lock {
        let mut all = self.build_root.clone();
        all.packages.push(self.source.clone());
        all
    }
}

#[derive(Debug)]
pub(super) struct Kernel;

impl Fetcher for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn inputs(&self, _cache: &Cache, _component: &Component) -> Result<String, ImageError> {
        // Not the source's version: what was built stays until our part of it changes, as with Debian's packages.
        let patches = PATCHES.map(|(_, text)| text);
        Ok(hash::texts(
            [FORMAT, CONFIG, SMP].into_iter().chain(patches),
        ))
    }

    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        need_root(component)?;
        // The source takes two, what is built of it less than one.
        cache.require_free(4)?;
        let mut lock = resolve(cache, component, report)?;
        let build = Build {
            tree: package_tree::tree(cache, &lock.build_root, report)?,
            work: into.join(".kernel"),
        };
        report.step(&format!("unpacking {}", lock.source.file_name()));
        build.unpack(&deb_path(cache, &lock.source), &lock.source.name)?;
        build.patch(report)?;
        for (program, more) in PROGRAMS {
            let taken = build.configure(more)?;
            let missing = unknown(more, &taken);
            if !missing.is_empty() {
                report.step(&format!(
                    "{} has no {}: no {program}",
                    lock.source.name,
                    missing.join(", ")
                ));
                continue;
            }
            report.step(&format!(
                "building {program} of {} {}",
                lock.source.name, lock.source.version
            ));
            build.make(program, into)?;
            lock.unknown = unknown(CONFIG, &taken);
        }
        if !lock.unknown.is_empty() {
            report.step(&format!("it has no {}", lock.unknown.join(", ")));
        }
        let mut libraries = bundle::libraries(&build.tree, &into.join(PROGRAMS[0].0))?;
        libraries.push((LOADED_LATER.into(), build.tree.join(LOADED_LATER)));
        for (inside, library) in libraries {
            let to = into.join(Path::new(&inside).file_name().unwrap_or_default());
            std::fs::copy(&library, &to).map_err(ImageError::file("copy", &library))?;
        }
        let builtin = build.work.join("built/modules.builtin");
        std::fs::copy(&builtin, into.join("modules.builtin"))
            .map_err(ImageError::file("copy", &builtin))?;
        write_lock(&into.join(LOCK), &lock)?;
        cache::remove(&build.work)
    }
}

fn need_root(component: &Component) -> Result<(), ImageError> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(ImageError::Missing {
        what: format!("the right to unpack Debian packages for {}", component.title()),
        hint: "run it with sudo, or bring it from a machine that has it: there `continuum-ctl artifact export FILE \
               uml-kernel`, here `continuum-ctl artifact import FILE`"
            .into(),
    })
}

fn write_lock(path: &Path, lock: &KernelLock) -> Result<(), ImageError> {
    let text = toml::to_string(lock).map_err(|e| ImageError::Parse {
        path: path.to_owned(),
        why: e.to_string(),
    })?;
    std::fs::write(path, text).map_err(ImageError::file("write", path))
}

/// The best source that is served, and what builds it; all of it is in the cache then. When no mirror answers, what was
/// taken last if it is still there.
fn resolve(
    cache: &Cache,
    component: &Component,
    report: &dyn Report,
) -> Result<KernelLock, ImageError> {
    let path = cache
        .subdir("locks")?
        .join(format!("{}.toml", component.name));
    let served = ask(cache, component).and_then(|lock| {
        Apt::beside(cache, &lock.build_root.suite, beside(component)?)?
            .download(cache, &lock.debs(), report)
            .map(|()| lock)
    });
    match served {
        Ok(lock) => write_lock(&path, &lock).map(|()| lock),
        Err(error) => {
            let last = read_toml::<KernelLock>(&path).ok().filter(|lock| {
                let packages = &lock.debs().packages;
                packages.iter().all(|p| deb_path(cache, p).exists())
            });
            let lock = last.ok_or(error)?;
            report.step(&format!(
                "no mirror answers; taking what is here: {} {}",
                lock.source.name, lock.source.version
            ));
            Ok(lock)
        }
    }
}

fn source(component: &Component) -> Result<&KernelSource, ImageError> {
    component
        .kernel
        .as_ref()
        .ok_or_else(|| ImageError::Missing {
            what: format!("the kernel source of {}", component.title()),
            hint: "images/components.toml must name it in [component.kernel]".into(),
        })
}

fn beside(component: &Component) -> Result<&str, ImageError> {
    Ok(&source(component)?.beside)
}

fn ask(cache: &Cache, component: &Component) -> Result<KernelLock, ImageError> {
    let wanted = source(component)?;
    let apt = Apt::beside(cache, &wanted.suite, &wanted.beside)?;
    apt.update()?;
    for name in &wanted.packages {
        if let Some(source) = apt.newest(name)? {
            let tools = PackageSet {
                packages: component.packages.clone(),
            };
            return Ok(KernelLock {
                unknown: Vec::new(),
                source,
                build_root: apt.resolve(&[&tools])?,
            });
        }
    }
    Err(ImageError::Missing {
        what: format!("any of {} at the Debian mirror", wanted.packages.join(", ")),
        hint: format!("it must serve {} and {}", wanted.suite, wanted.beside),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        components::{Catalogue, store},
        error::Silent,
    };
    use std::collections::{BTreeMap, BTreeSet};

    fn component() -> Component {
        let catalogue = Catalogue::builtin().unwrap();
        catalogue.find("uml-kernel", None).unwrap().clone()
    }

    #[test]
    fn every_option_is_asked_for_once_and_none_shows_the_hosts_files() {
        let mut seen = BTreeSet::new();
        for line in CONFIG.lines().chain(SMP.lines()) {
            let line = line.trim_start_matches("# ");
            if let Some(name) = line.strip_prefix("CONFIG_") {
                let name = name.split(['=', ' ']).next().unwrap();
                assert!(seen.insert(name), "{name} twice");
            }
        }
        // Neither files nor modules of the host, nor what cannot be linked with the network driver.
        for name in ["HOSTFS", "MODULES", "STATIC_LINK", "UML_PCI_OVER_VFIO"] {
            assert!(!seen.contains(name), "{name}");
        }
        // Without these nothing starts, or every cluster fails.
        for name in [
            "BINFMT_ELF",
            "EXT4_FS",
            "UML_NET_VECTOR",
            "NF_TABLES_IPV4",
            "NFT_CONNLIMIT",
            "CGROUP_BPF",
        ] {
            assert!(seen.contains(name), "{name}");
        }
    }

    #[test]
    fn options_that_were_not_taken_are_named() {
        let taken = "# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_AB=y\nCONFIG_N=\"x\"\n";
        let asked =
            "# why\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_N=\"x\"\n# CONFIG_C is not set\nCONFIG_D=64\n";
        assert_eq!(unknown(asked, taken), ["CONFIG_B", "CONFIG_D"]);
    }

    #[test]
    fn a_source_is_named_and_its_lock_is_kept_whole() {
        let component = component();
        let source = source(&component).unwrap();
        assert!(source.beside.starts_with(&source.suite), "{source:?}");
        let lock = KernelLock {
            unknown: vec!["CONFIG_X".into()],
            source: LockedPackage {
                name: "linux-source-7.3".into(),
                version: "7.3.4-1".into(),
                architecture: "all".into(),
                sha256: "0".repeat(64),
                size_bytes: 1,
            },
            build_root: Lock {
                suite: source.suite.clone(),
                asked: component.packages.clone(),
                packages: Vec::new(),
            },
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK);
        write_lock(&path, &lock).unwrap();
        assert_eq!(read_toml::<KernelLock>(&path).unwrap(), lock);
        let mut without = component;
        without.kernel = None;
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let error = ask(&cache, &without).unwrap_err().to_string();
        assert!(error.contains("[component.kernel]"), "{error}");
    }

    /// Files by name with their digests.
    fn build(component: &Component, into: &Path) -> BTreeMap<String, String> {
        let begun = std::time::Instant::now();
        std::fs::create_dir(into).unwrap();
        let cache = Cache::of_user().unwrap();
        Kernel.obtain(&cache, component, into, &Silent).unwrap();
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(into).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            all.insert(name, hash::file(&path).unwrap());
        }
        eprintln!("{} s: {all:#?}", begun.elapsed().as_secs());
        all
    }

    #[test]
    #[ignore = "compiles kernels, as root and with a Debian mirror: minutes"]
    fn the_component_comes_out_again_as_it_is_in_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let begun = std::time::Instant::now();
        let cache = Cache::of_user().unwrap();
        let stored = store::obtain(&cache, &component(), &Silent).unwrap();
        eprintln!("in the store after {} s", begun.elapsed().as_secs());
        let again = build(&component(), &dir.path().join("again"));
        let stored = stored.files.into_iter();
        let stored: BTreeMap<_, _> = stored.map(|(name, file)| (name, file.sha256)).collect();
        assert_eq!(again, stored);
    }

    #[test]
    #[ignore = "compiles a kernel, as root and with a Debian mirror: minutes"]
    fn the_last_source_can_be_built_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut component = component();
        let packages = &mut component.kernel.as_mut().unwrap().packages;
        packages.drain(..packages.len() - 1);
        // Its lock is another's, so that nobody takes it for the newest.
        component.name.push_str("-last");
        let files = build(&component, &dir.path().join("last"));
        assert!(files.contains_key("linux"), "{files:?}");
        let lock: KernelLock = read_toml(&dir.path().join("last").join(LOCK)).unwrap();
        eprintln!("unknown: {:?}", lock.unknown);
        assert!(!lock.unknown.contains(&"CONFIG_UML_NET_VECTOR".to_owned()));
    }
}
