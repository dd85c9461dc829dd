//! The cache: results under names made of their inputs, complete or not there at all.

use crate::{error::ImageError, process::wait_until};
use continuum_common::user::{home, variable};
use std::{
    fs::TryLockError,
    path::{Path, PathBuf},
    time::Duration,
};

/// What is built here is found by every user of the machine.
pub const SHARED: &str = "/var/cache/continuum";

/// How an ordinary user gets builds that only root can make: one command, for all users of the machine.
pub fn root_command(arguments: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "continuum-ctl".into());
    format!(
        "sudo env CONTINUUM_CACHE={SHARED} {} {arguments}",
        program.display()
    )
}

/// One cache directory for all of a user's checkouts; what is not in it may be in the one of all users.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// Only read.
    shared: Option<PathBuf>,
}

impl Cache {
    /// `$CONTINUUM_CACHE` alone; else `$XDG_CACHE_HOME/continuum` or `~/.cache/continuum`, and beside it [`SHARED`], which
    /// is also the own one of who has none of these.
    pub fn of_user() -> Result<Self, ImageError> {
        if let Some(dir) = variable("CONTINUUM_CACHE") {
            return Self::alone(dir);
        }
        let own = variable("XDG_CACHE_HOME")
            .or_else(|| home().map(|home| home.join(".cache")))
            .map(|dir| dir.join("continuum"));
        match own {
            Some(own) => Self::beside(own, SHARED),
            None => Self::alone(SHARED.into()),
        }
    }

    /// Made when something is to be written there: whoever only looks needs none.
    fn alone(dir: PathBuf) -> Result<Self, ImageError> {
        // It stands in texts that programs read.
        if dir.to_str().is_none() {
            let why = std::io::Error::other("its name is not UTF-8");
            return Err(ImageError::file("use", dir)(why));
        }
        Ok(Self { dir, shared: None })
    }

    /// An own one beside one that is only read.
    pub(crate) fn beside(dir: PathBuf, shared: impl Into<PathBuf>) -> Result<Self, ImageError> {
        let shared = Some(shared.into()).filter(|shared| *shared != dir);
        Ok(Self {
            shared,
            ..Self::alone(dir)?
        })
    }

    /// At a directory of choice.
    pub fn at(dir: impl Into<PathBuf>) -> Result<Self, ImageError> {
        let cache = Self::alone(dir.into())?;
        cache.subdir("")?;
        Ok(cache)
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.join(relative)
    }

    /// The path in the own one, and then in that of all users.
    pub(crate) fn places(&self, relative: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
        let shared = self.shared.as_ref().map(|dir| dir.join(&relative));
        std::iter::once(self.path(&relative)).chain(shared)
    }

    /// Where something is: in the own one, or in that of all users.
    pub fn find(&self, relative: impl AsRef<Path>) -> Option<PathBuf> {
        self.places(relative).find(|path| path.exists())
    }

    /// A directory below it, made if it is not there.
    pub(crate) fn subdir(&self, relative: impl AsRef<Path>) -> Result<PathBuf, ImageError> {
        let path = self.path(relative);
        std::fs::create_dir_all(&path).map_err(ImageError::file("create", &path))?;
        Ok(path)
    }

    /// Fails when the disk has less free than this: programs that fill it say little about it.
    pub(crate) fn require_free(&self, gigabytes: u64) -> Result<(), ImageError> {
        let stat = rustix::fs::statvfs(&self.dir)
            .map_err(|e| ImageError::file("look at the disk of", &self.dir)(e.into()))?;
        let free = stat.f_bavail * stat.f_frsize / 1_000_000_000;
        if free >= gigabytes {
            return Ok(());
        }
        Err(ImageError::Missing {
            what: format!(
                "{gigabytes} GB of free disk at `{}` (there are {free})",
                self.dir.display()
            ),
            hint: "make room: continuum-ctl image prune, or set CONTINUUM_CACHE to another disk"
                .into(),
        })
    }

    /// Returns `kind/key`, made by `make` if it is not there. Two processes that want the same wait for each other;
    /// what a killed one left half done is removed first.
    pub fn get_or_make(
        &self,
        kind: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<PathBuf, ImageError> {
        let target = self.subdir(kind)?.join(key);
        if target.exists() {
            return Ok(target);
        }
        self.make(kind, key, false, make)
    }

    /// Like `get_or_make`, but what is there gives way to what is made. Who looks meanwhile finds one or the other,
    /// whole.
    pub fn replace(
        &self,
        kind: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<PathBuf, ImageError> {
        self.make(kind, key, true, make)
    }

    fn make(
        &self,
        kind: &str,
        key: &str,
        anew: bool,
        make: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<PathBuf, ImageError> {
        let dir = self.subdir(kind)?;
        let target = dir.join(key);
        let lock_path = dir.join(format!(".{key}.lock"));
        let lock =
            std::fs::File::create(&lock_path).map_err(ImageError::file("create", &lock_path))?;
        wait_for_lock(&lock, &lock_path, WITHIN)?;
        if anew || !target.exists() {
            let partial = dir.join(format!(".{key}.partial"));
            remove(&partial)?;
            std::fs::create_dir(&partial).map_err(ImageError::file("create", &partial))?;
            make(&partial)?;
            if target.exists() {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &partial,
                    rustix::fs::CWD,
                    &target,
                    flags,
                )
                .map_err(|e| ImageError::file("exchange with", &target)(e.into()))?;
                remove(&partial)?;
            } else {
                std::fs::rename(&partial, &target)
                    .map_err(ImageError::file("rename to", &target))?;
            }
        }
        std::fs::remove_file(&lock_path).ok();
        Ok(target)
    }
}

/// Another process may be compiling for most of an hour.
pub const WITHIN: Duration = Duration::from_hours(1);

/// Takes the lock on a file; waits for another process, but not for ever.
pub fn wait_for_lock(
    lock: &std::fs::File,
    path: &Path,
    within: Duration,
) -> Result<(), ImageError> {
    let mut locked = lock.try_lock();
    wait_until(within, || {
        let is_held = matches!(locked, Err(TryLockError::WouldBlock));
        if is_held {
            locked = lock.try_lock();
        }
        !is_held
    });
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(ImageError::Missing {
            what: format!(
                "`{}` unlocked within {} s",
                path.display(),
                within.as_secs()
            ),
            hint: "another process is making the same thing; `fuser -v FILE` shows which".into(),
        }),
        Err(TryLockError::Error(e)) => Err(ImageError::file("lock", path)(e)),
    }
}

/// Removes a file or a tree; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), ImageError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(ImageError::file("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_built_for_all_is_found_and_what_is_made_is_ones_own() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let cache = Cache::beside(place("own"), place("shared")).unwrap();
        assert_eq!(cache.find("bundles/a"), None);
        std::fs::create_dir_all(place("shared/bundles/a")).unwrap();
        assert_eq!(cache.find("bundles/a"), Some(place("shared/bundles/a")));
        assert!(!place("own").exists(), "looking makes nothing");
        let made = cache.get_or_make("bundles", "b", |_| Ok(())).unwrap();
        assert_eq!(made, place("own/bundles/b"));
        std::fs::create_dir_all(place("own/bundles/a")).unwrap();
        assert_eq!(cache.find("bundles/a"), Some(place("own/bundles/a")));
    }

    #[test]
    fn a_disk_without_room_is_told_before_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        cache.require_free(0).unwrap();
        let error = cache.require_free(1_000_000_000).unwrap_err().to_string();
        assert!(error.contains("image prune"), "{error}");
    }

    #[test]
    fn a_lock_that_is_held_is_given_up_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let open = || std::fs::File::create(&path).unwrap();
        let (first, second) = (open(), open());
        let short = Duration::from_millis(60);
        wait_for_lock(&first, &path, short).unwrap();
        let error = wait_for_lock(&second, &path, short)
            .unwrap_err()
            .to_string();
        assert!(error.contains("x.lock` unlocked within"), "{error}");
        drop(first);
        wait_for_lock(&second, &path, short).unwrap();
    }

    #[test]
    fn made_once_and_never_half() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let failed = cache.get_or_make("roots", "k", |path| {
            std::fs::write(path.join("half"), "").unwrap();
            Err(ImageError::Missing {
                what: "x".into(),
                hint: "y".into(),
            })
        });
        assert!(failed.is_err() && !dir.path().join("roots/k").exists());
        let path = cache
            .get_or_make("roots", "k", |path| {
                assert!(!path.join("half").exists());
                std::fs::write(path.join("whole"), "").unwrap();
                Ok(())
            })
            .unwrap();
        assert!(path.join("whole").exists());
        cache
            .get_or_make("roots", "k", |_| panic!("made twice"))
            .unwrap();
    }
}
