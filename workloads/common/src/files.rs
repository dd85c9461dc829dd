//! Files that are whole or not there, whenever the power fails.

use std::{
    fs::{File, Permissions},
    io::{Result, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::{Builder, NamedTempFile};

/// What a file is to be, under another name in the same directory; gone when it is dropped.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// `mode` is its mode from the beginning, whatever the mask of this process is; `None` = what the mask leaves of 0666.
    pub fn of(path: &Path, mode: Option<u32>) -> Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".new")
            .permissions(Permissions::from_mode(mode.unwrap_or(0o666)))
            .tempfile_in(dir.unwrap_or(Path::new(".")))?;
        if let Some(mode) = mode {
            let file = file.as_file();
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Takes the place of what has its name.
    pub fn put(self) -> Result<()> {
        self.file.as_file().sync_all()?;
        let dir = self.file.path().parent().map(Path::to_owned);
        self.file.persist(self.path)?;
        dir.map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}

/// Gives a file this content, or leaves it as it is. `mode` as in [`NewFile::of`].
pub fn replace(path: &Path, mode: Option<u32>, content: impl AsRef<[u8]>) -> Result<()> {
    let mut new = NewFile::of(path, mode)?;
    new.file().write_all(content.as_ref())?;
    new.put()
}

/// Likewise, for what is written often and is of no use after a power failure, which may leave nothing of it.
pub fn replace_unsynced(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut new = NewFile::of(path, None)?;
    new.file().write_all(content.as_ref())?;
    new.file.persist(path).map(drop).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let name = |entry: Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        for content in ["one", "two"] {
            replace(&path, None, content).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        replace_unsynced(&path, "three").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(names(dir.path()), ["state.json"]);
    }

    #[test]
    fn the_mode_is_what_was_asked_for_also_in_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for mode in [0o666, 0o600, 0o755] {
            replace(&path, Some(mode), "").unwrap();
            let has = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(has & 0o777, mode);
        }
    }

    #[test]
    fn a_file_that_is_given_up_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("links.json");
        replace(&path, None, "old").unwrap();
        let mut new = NewFile::of(&path, None).unwrap();
        new.file().write_all(b"half").unwrap();
        drop(new);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        // Nothing can be put over a directory that is not empty.
        replace(dir.path(), None, "new").unwrap_err();
        assert_eq!(names(dir.path()), ["links.json"]);
    }
}
