//! What killed programs left half made. The next who wants the same thing removes it; what nobody wants any more goes
//! with `image prune`.

use crate::{
    cache::{self, Cache},
    error::ImageError,
    store::{entries, name_of, size_of_tree},
};
use std::path::{Path, PathBuf};

/// Directories that are being made by nobody, with their sizes in bytes.
pub fn all(cache: &Cache) -> Result<Vec<(PathBuf, u64)>, ImageError> {
    let root = cache.path("");
    let mut dirs = vec![root.clone()];
    dirs.extend(entries(&root)?.into_iter().filter(|p| p.is_dir()));
    let mut found = Vec::new();
    for dir in dirs {
        for path in entries(&dir)? {
            if claim(&path)?.is_some() {
                let bytes = size_of_tree(&path)?;
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes one of them, unless somebody has begun to make it meanwhile.
pub fn remove(path: &Path) -> Result<(), ImageError> {
    match claim(path)? {
        Some(_lock) => cache::remove(path),
        None => Ok(()),
    }
}

/// The lock of what is being made at `path`; `None` = somebody has it, or `path` is no such place.
fn claim(path: &Path) -> Result<Option<std::fs::File>, ImageError> {
    let name = name_of(path);
    let Some(key) = name
        .strip_prefix('.')
        .and_then(|n| n.strip_suffix(".partial"))
    else {
        return Ok(None);
    };
    let lock_path = path.with_file_name(format!(".{key}.lock"));
    let lock = std::fs::File::create(&lock_path).map_err(ImageError::file("create", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(e)) => Err(ImageError::file("lock", &lock_path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_made_stays_and_what_was_left_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        for at in ["images/.killed.partial", "images/whole", ".import.partial"] {
            let at = cache.subdir(at).unwrap();
            std::fs::write(at.join("file"), "12345").unwrap();
        }
        cache
            .get_or_make("images", "alive", |partial| {
                std::fs::write(partial.join("file"), "1").unwrap();
                let names = |all: Vec<(PathBuf, u64)>| -> Vec<_> {
                    all.iter().map(|(p, bytes)| (name_of(p), *bytes)).collect()
                };
                let left = [(".import.partial".into(), 5), (".killed.partial".into(), 5)];
                assert_eq!(names(all(&cache)?), left);
                remove(partial)?;
                assert!(partial.join("file").exists(), "somebody is making it");
                all(&cache)?.iter().try_for_each(|(p, _)| remove(p))?;
                assert_eq!(names(all(&cache)?), []);
                Ok(())
            })
            .unwrap();
        assert!(cache.path("images/alive/file").exists());
        assert!(cache.path("images/whole/file").exists());
    }
}
