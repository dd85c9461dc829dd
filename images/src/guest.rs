//! The guest's tree: packages, our overlay, units switched on and off, agent and bundle.

use crate::{
    SOURCE_DATE_EPOCH,
    cache::{self, Cache},
    error::{ImageError, Report},
    hash, initrd,
    process::Program,
    spec::{GuestSpec, SourceTree},
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// Grows when the way trees are changed changes.
const FORMAT: &str = "2";
/// Where the bundle lies in a guest.
pub const BUNDLE_DIR: &str = "opt/continuum/bundle";
const UNITS: &str = "etc/systemd/system";
/// Made by packages at installation, different each time, or of no use.
const REMOVED: [&str; 8] = [
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_rsa_key.pub",
    "etc/ssh/ssh_host_ecdsa_key",
    "etc/ssh/ssh_host_ecdsa_key.pub",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub",
    "etc/cloud/cloud.cfg.d/05_logging.cfg",
    "var/cache/ldconfig/aux-cache",
];

/// The guest without agent and bundle, cached: a changed agent does not cost a new initial RAM disk.
pub fn base(
    cache: &Cache,
    source: &SourceTree,
    packages: &Path,
    packages_key: &str,
    report: &dyn Report,
) -> Result<PathBuf, ImageError> {
    let overlay = source.path("images/overlay");
    let key = hash::texts([
        FORMAT,
        packages_key,
        &hash::tree(&overlay)?,
        &hash::file(&source.path("images/guest.toml"))?,
    ]);
    cache
        .get_or_make("bases", &key, |partial| {
            report.step("preparing the guest's tree");
            let tree = partial.join("tree");
            copy_tree(packages, &tree)?;
            for name in REMOVED {
                cache::remove(&tree.join(name))?;
            }
            for dir in ["var/lib/apt/lists", "var/cache/apt"] {
                empty(&tree.join(dir))?;
            }
            truncate_logs(&tree.join("var/log"))?;
            apply_overlay(&overlay, &tree)?;
            switch_units(&source.guest()?, &tree)?;
            // Ours is made beside the disk.
            let version = kernel_version(&tree)?;
            cache::remove(&tree.join(format!("boot/initrd.img-{version}")))?;
            initrd::unpack_modules(&tree, &version)
        })
        .map(|dir| dir.join("tree"))
}

/// A copy of the base with agent and bundle in place.
pub fn stage(base: &Path, agent: &Path, bundle: &Path, tree: &Path) -> Result<(), ImageError> {
    copy_tree(base, tree)?;
    let program = tree.join("usr/local/bin/continuum-agent");
    std::fs::copy(agent, &program).map_err(ImageError::file("copy", agent))?;
    chmod(&program, 0o755)?;
    let parent = tree.join(BUNDLE_DIR);
    if let Some(dir) = parent.parent() {
        std::fs::create_dir_all(dir).map_err(ImageError::file("create", dir))?;
    }
    copy_tree(bundle, &parent)?;
    settle_access_times(tree)
}

/// Access times come along into the file system, and differ with who read what since. mke2fs takes later ones than
/// [`SOURCE_DATE_EPOCH`] for that one, so it does not matter that it reads the files itself.
fn settle_access_times(path: &Path) -> Result<(), ImageError> {
    let error = || ImageError::file("set the access time of", path);
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: SOURCE_DATE_EPOCH.cast_signed(),
            tv_nsec: 0,
        },
        last_modification: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| error()(e.into()))?;
    let meta = std::fs::symlink_metadata(path).map_err(error())?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).map_err(error())? {
            settle_access_times(&entry.map_err(error())?.path())?;
        }
    }
    Ok(())
}

/// The packed kernel of a tree.
pub fn kernel(tree: &Path) -> Result<PathBuf, ImageError> {
    let version = kernel_version(tree)?;
    Ok(tree.join("boot").join(format!("vmlinuz-{version}")))
}

/// Name of the kernel of a tree.
pub fn kernel_version(tree: &Path) -> Result<String, ImageError> {
    let dir = tree.join("usr/lib/modules");
    let mut versions: Vec<String> = std::fs::read_dir(&dir)
        .map_err(ImageError::file("list", &dir))?
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    versions.sort();
    versions.pop().ok_or_else(|| ImageError::Missing {
        what: "a kernel in the guest".into(),
        hint: "images/packages.toml must name one".into(),
    })
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), ImageError> {
    Program::new("copy a tree", "cp")
        .args(["--archive", "--reflink=auto", "--no-target-directory"])
        .args([from.display().to_string(), to.display().to_string()])
        .run()
        .map(|_| ())
}

fn chmod(path: &Path, mode: u32) -> Result<(), ImageError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(ImageError::file("set the mode of", path))
}

fn empty(dir: &Path) -> Result<(), ImageError> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries {
        cache::remove(&entry.map_err(ImageError::file("list", dir))?.path())?;
    }
    Ok(())
}

fn truncate_logs(dir: &Path) -> Result<(), ImageError> {
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        let path = entry.map_err(ImageError::file("list", dir))?.path();
        if path.is_dir() {
            truncate_logs(&path)?;
        } else if path.is_file() {
            std::fs::write(&path, "").map_err(ImageError::file("empty", &path))?;
        }
    }
    Ok(())
}

/// Our files over those of packages, all 0644.
fn apply_overlay(overlay: &Path, tree: &Path) -> Result<(), ImageError> {
    for entry in std::fs::read_dir(overlay).map_err(ImageError::file("list", overlay))? {
        let entry = entry.map_err(ImageError::file("list", overlay))?;
        let (from, to) = (entry.path(), tree.join(entry.file_name()));
        if from.is_dir() {
            std::fs::create_dir_all(&to).map_err(ImageError::file("create", &to))?;
            apply_overlay(&from, &to)?;
        } else {
            // A link there, such as resolv.conf's, would be written through.
            cache::remove(&to)?;
            std::fs::copy(&from, &to).map_err(ImageError::file("copy", &from))?;
            chmod(&to, 0o644)?;
        }
    }
    Ok(())
}

fn link(target: &str, at: &Path) -> Result<(), ImageError> {
    if let Some(dir) = at.parent() {
        std::fs::create_dir_all(dir).map_err(ImageError::file("create", dir))?;
    }
    cache::remove(at)?;
    symlink(target, at).map_err(ImageError::file("link", at))
}

fn switch_units(spec: &GuestSpec, tree: &Path) -> Result<(), ImageError> {
    let units = tree.join(UNITS);
    let wants: Vec<PathBuf> = std::fs::read_dir(&units)
        .map_err(ImageError::file("list", &units))?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| {
            p.extension()
                .is_some_and(|x| x == "wants" || x == "requires")
        })
        .collect();
    for unit in spec.disable.iter().chain(&spec.mask) {
        for dir in &wants {
            cache::remove(&dir.join(unit))?;
        }
    }
    for unit in &spec.mask {
        link("/dev/null", &units.join(unit))?;
    }
    for generator in &spec.mask_generators {
        link(
            "/dev/null",
            &tree.join("etc/systemd/system-generators").join(generator),
        )?;
    }
    for enabled in &spec.enable {
        let dir = units.join(format!("{}.wants", enabled.wanted_by));
        let own = units.join(&enabled.unit).exists();
        let from = if own {
            format!("/{UNITS}")
        } else {
            "/usr/lib/systemd/system".into()
        };
        link(
            &format!("{from}/{}", enabled.unit),
            &dir.join(&enabled.unit),
        )?;
    }
    link(
        "/usr/lib/systemd/system/multi-user.target",
        &units.join("default.target"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// The same image is the disk of virtual machines and of guests that are processes.
    #[test]
    fn nothing_of_ours_names_the_guests_disk() {
        fn look(dir: &Path, seen: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path, seen);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for disk in ["/dev/vd", "/dev/ubd", "/dev/sd"] {
                    assert!(!text.contains(disk), "{disk} in {}", path.display());
                }
                seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        let mut seen = Vec::new();
        look(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("overlay"),
            &mut seen,
        );
        assert!(seen.contains(&"fstab".to_owned()), "{seen:?}");
    }

    #[test]
    fn access_times_are_settled_and_others_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sub/file");
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(&file, "x").unwrap();
        symlink("nowhere", dir.path().join("link")).unwrap();
        let before = std::fs::metadata(&file).unwrap().mtime();
        settle_access_times(dir.path()).unwrap();
        let after = std::fs::metadata(&file).unwrap();
        assert_eq!(
            (after.atime(), after.mtime()),
            (SOURCE_DATE_EPOCH.cast_signed(), before)
        );
        let link = std::fs::symlink_metadata(dir.path().join("link")).unwrap();
        assert_eq!(link.atime(), SOURCE_DATE_EPOCH.cast_signed());
    }
}
