//! Where state lies.

#[cfg(feature = "test-hooks")]
use super::write_hook::{Moment, at};
use crate::error::Error;
use continuum_common::{
    files,
    user::{home, variable},
};
use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// A little longer than the hypervisor gives to three uploads.
const POOL_DEADLINE: std::time::Duration = std::time::Duration::from_mins(50);

/// Directory with one directory per deployment.
#[derive(Debug, Clone)]
pub struct StateRoot {
    dir: PathBuf,
}

impl StateRoot {
    /// `$CONTINUUM_STATE`, else /var/lib/continuum for root, else `$XDG_STATE_HOME/continuum`; made if it is not there.
    pub fn of_user() -> Result<Self, Error> {
        Self::at(Self::usual()?)
    }

    /// The same for who only looks: what is not there, or cannot be made, is as good as an empty one.
    pub fn to_look_at() -> Result<Self, Error> {
        let dir = Self::usual()?;
        require_text(&dir)?;
        Ok(Self {
            dir: dir.canonicalize().unwrap_or(dir),
        })
    }

    fn usual() -> Result<PathBuf, Error> {
        if let Some(dir) = variable("CONTINUUM_STATE") {
            return Ok(dir);
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/continuum"));
        }
        variable("XDG_STATE_HOME")
            .or_else(|| home().map(|home| home.join(".local/state")))
            .map(|d| d.join("continuum"))
            .ok_or(Error::NoHome)
    }

    /// At a directory of choice.
    pub fn at(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        require_text(&dir)?;
        // QEMU's user must be able to pass through to the pool.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&dir)
            .map_err(Error::file("create", &dir))?;
        // Processes and descriptions name it, from wherever the next command is typed.
        let dir = dir.canonicalize().map_err(Error::file("find", &dir))?;
        let root = Self { dir };
        make_private(&root.deployments())?;
        Ok(root)
    }

    /// Stands for this state directory of this user in what is made outside of it.
    pub fn owner(&self) -> String {
        let user = rustix::process::geteuid().as_raw().to_string();
        let digest = continuum_images::hash::texts([&*user, &*self.dir.to_string_lossy()]);
        digest.chars().take(12).collect()
    }

    /// Directory of all deployments.
    pub fn deployments(&self) -> PathBuf {
        self.dir.join("deployments")
    }

    /// Directory of one.
    /// Fails for what is no name: an empty one would be the directory of them all.
    pub fn deployment(&self, name: &str) -> Result<PathBuf, Error> {
        if continuum_model::is_name(name) {
            return Ok(self.deployments().join(name));
        }
        Err(Error::NoName {
            name: name.to_owned(),
        })
    }

    pub fn pool(&self) -> PathBuf {
        self.dir.join("pool")
    }

    /// What the names of an image's file in the pool begin with.
    pub fn base_stem(digest: &str) -> String {
        let short: String = digest.chars().take(20).collect();
        format!("base-{short}")
    }

    /// Copies of images in the pool other than of those with these digests.
    pub fn unused_bases(&self, kept: &[&str]) -> Result<Vec<PathBuf>, Error> {
        let kept: Vec<String> = kept.iter().map(|d| Self::base_stem(d)).collect();
        self.of_pool(|name| {
            name.starts_with("base-") && !kept.iter().any(|k| name.starts_with(k.as_str()))
        })
    }

    /// Disks and seeds of machines in the pool, other than of deployments with these ids: those were removed without them, or
    /// their state is lost.
    pub fn orphaned_disks(&self, ids: &[String]) -> Result<Vec<PathBuf>, Error> {
        let known: Vec<String> = ids.iter().map(|id| format!("ct-{id}-")).collect();
        self.of_pool(|name| {
            name.starts_with("ct-") && !known.iter().any(|k| name.starts_with(k.as_str()))
        })
    }

    fn of_pool(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
        let pool = self.pool();
        if !pool.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&pool).map_err(Error::file("list", &pool))? {
            let path = entry.map_err(Error::file("list", &pool))?.path();
            if is_wanted(&path.file_name().unwrap_or_default().to_string_lossy()) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Directory of guests of provider `uml`: one directory each.
    pub fn guests(&self) -> PathBuf {
        self.dir.join("guests")
    }

    /// Kernels and base disks that guests of provider `uml` read.
    pub fn uml(&self) -> PathBuf {
        self.dir.join("uml")
    }

    /// Holders of network namespaces, by deployment.
    pub fn namespaces(&self) -> PathBuf {
        self.dir.join("namespaces")
    }

    pub fn locks(&self) -> PathBuf {
        self.dir.join("locks")
    }

    /// What a Prometheus of this host is to read, a file for each deployment.
    pub fn prometheus(&self) -> PathBuf {
        self.dir.join("prometheus")
    }

    /// How long things took here.
    pub fn timings(&self) -> PathBuf {
        self.dir.join("timings.json")
    }

    pub fn console(&self) -> PathBuf {
        self.dir.join("console")
    }

    /// Held while a base image is brought into the pool. Another `up` may take minutes to do so.
    pub fn pool_lock(&self) -> Result<std::fs::File, Error> {
        let path = self.dir.join("pool.lock");
        let file = std::fs::File::create(&path).map_err(Error::file("create", &path))?;
        continuum_images::cache::wait_for_lock(&file, &path, POOL_DEADLINE)?;
        Ok(file)
    }

    /// Names of all deployments.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let dir = self.deployments();
        let mut names = Vec::new();
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
            entries => entries.map_err(Error::file("list", &dir))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::file("list", &dir))?;
            if entry.path().join("state.json").exists() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Its name stands in configs of agents and documents of machines.
fn require_text(dir: &Path) -> Result<(), Error> {
    if dir.to_str().is_some() {
        return Ok(());
    }
    let why = std::io::Error::other("its name is not UTF-8");
    Err(Error::file("use the state directory", dir)(why))
}

/// Makes a directory that only its owner may enter.
pub(super) fn make_private(dir: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::file("create", dir))
}

/// Replaces a file whole or not at all. Mode 0600.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    #[cfg(feature = "test-hooks")]
    at(Moment::Before, path)?;
    files::replace(path, Some(0o600), bytes).map_err(Error::file("write", path))?;
    #[cfg(feature = "test-hooks")]
    at(Moment::After, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_images_that_are_kept_stay_in_the_pool() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path()).unwrap();
        assert!(root.unused_bases(&[]).unwrap().is_empty());
        std::fs::create_dir(root.pool()).unwrap();
        let (kept, gone) = ("a".repeat(64), "b".repeat(64));
        for digest in [&kept, &gone] {
            for ending in [".qcow2", ".qcow2.complete"] {
                let name = format!("{}{ending}", StateRoot::base_stem(digest));
                std::fs::write(root.pool().join(name), "").unwrap();
            }
        }
        std::fs::write(root.pool().join("ct-1-edge0.qcow2"), "").unwrap();
        let orphan = |ids: &[String]| root.orphaned_disks(ids).unwrap().len();
        assert_eq!((orphan(&[]), orphan(&["1".into()])), (1, 0));
        let unused = root.unused_bases(&[&kept]).unwrap();
        let names: Vec<_> = unused
            .iter()
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "base-bbbbbbbbbbbbbbbbbbbb.qcow2",
                "base-bbbbbbbbbbbbbbbbbbbb.qcow2.complete"
            ]
        );
    }
}
