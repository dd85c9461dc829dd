//! Files below the agent's directory: checked names, checked digests, no half-written file under its final name.

use crate::error::AgentError;
use continuum_common::files::NewFile;
use sha2::{Digest, Sha256};
use std::path::{Component, Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// Joins a relative path from the wire to a directory; anything that could leave it is refused.
pub(crate) fn below(dir: &Path, relative: &str) -> Result<PathBuf, AgentError> {
    let path = Path::new(relative);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    if relative.is_empty() || relative.len() > 1024 || relative.contains('\0') || !plain {
        return Err(AgentError::Invalid(format!(
            "path `{}` must be relative and without `..`",
            relative.escape_debug()
        )));
    }
    Ok(dir.join(path))
}

/// Opens a file for sending. Links are not followed and devices not read: what a run leaves is not to be trusted.
pub(crate) async fn open_plain(path: &Path) -> Result<tokio::fs::File, AgentError> {
    let error = AgentError::file("read", path);
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = tokio::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .await
        .map_err(&error)?;
    if file.metadata().await.map_err(&error)?.is_file() {
        return Ok(file);
    }
    Err(AgentError::Invalid(format!(
        "`{}` is not a plain file",
        path.display()
    )))
}

/// Receives one file: written beside its name, digest checked, then renamed.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: tokio::fs::File,
    new: NewFile,
    target: PathBuf,
    name: String,
    want_sha256: String,
    want_bytes: u64,
    have_bytes: u64,
    hasher: Sha256,
}

impl Incoming {
    /// Begins; `target` gets its name only when everything is there and right.
    pub(crate) async fn begin(
        target: PathBuf,
        name: &str,
        sha256: &str,
        size_bytes: u64,
        mode: u32,
    ) -> Result<Self, AgentError> {
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(AgentError::Invalid(format!(
                "`{name}` comes without a sha256"
            )));
        }
        let dir = target.parent().unwrap_or(Path::new("/"));
        tokio::fs::create_dir_all(dir)
            .await
            .map_err(AgentError::file("create", dir))?;
        let mode = if mode == 0 { 0o644 } else { mode & 0o777 };
        let mut new =
            NewFile::of(&target, Some(mode)).map_err(AgentError::file("write", &target))?;
        let file = new.file().try_clone();
        let file = file.map_err(AgentError::file("write", &target))?;
        Ok(Self {
            file: file.into(),
            new,
            target,
            name: name.to_owned(),
            want_sha256: sha256.to_ascii_lowercase(),
            want_bytes: size_bytes,
            have_bytes: 0,
            hasher: Sha256::new(),
        })
    }

    /// Adds bytes; more than announced is refused.
    pub(crate) async fn write(&mut self, chunk: &[u8]) -> Result<(), AgentError> {
        self.have_bytes += chunk.len() as u64;
        if self.have_bytes > self.want_bytes {
            return Err(AgentError::Invalid(format!(
                "`{}` is longer than the {} bytes announced",
                self.name, self.want_bytes
            )));
        }
        self.hasher.update(chunk);
        let written = self.file.write_all(chunk).await;
        written.map_err(AgentError::file("write", &self.target))
    }

    /// Checks and gives the file its name.
    pub(crate) async fn finish(mut self) -> Result<PathBuf, AgentError> {
        if self.have_bytes != self.want_bytes {
            return Err(AgentError::Invalid(format!(
                "`{}` ended after {} of {} bytes",
                self.name, self.have_bytes, self.want_bytes
            )));
        }
        let have = hex::encode(self.hasher.finalize());
        if have != self.want_sha256 {
            return Err(AgentError::Digest {
                name: self.name,
                want: self.want_sha256,
                have,
            });
        }
        let put = async {
            self.file.flush().await?;
            tokio::task::spawn_blocking(|| self.new.put()).await?
        };
        put.await.map_err(AgentError::file("write", &self.target))?;
        Ok(self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    #[test]
    fn paths_stay_below() {
        let dir = Path::new("/data");
        assert_eq!(below(dir, "a/b.txt").unwrap(), Path::new("/data/a/b.txt"));
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "./a", "a\0b"] {
            assert!(below(dir, bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn links_and_devices_are_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("samples.csv");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(open_plain(&link).await.is_err());
        assert!(open_plain(dir.path()).await.is_err());
        assert!(open_plain(Path::new("/dev/zero")).await.is_err());
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "x").unwrap();
        assert!(open_plain(&plain).await.is_ok());
    }

    #[tokio::test]
    async fn only_complete_and_right_files_get_their_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sub/file");
        let mut good = Incoming::begin(target.clone(), "file", &sha256(b"hello"), 5, 0o600)
            .await
            .unwrap();
        good.write(b"hel").await.unwrap();
        good.write(b"lo").await.unwrap();
        assert_eq!(good.finish().await.unwrap(), target);

        let mut wrong = Incoming::begin(target.clone(), "file", &sha256(b"other"), 5, 0)
            .await
            .unwrap();
        wrong.write(b"hello").await.unwrap();
        assert!(matches!(
            wrong.finish().await,
            Err(AgentError::Digest { .. })
        ));

        let mut short = Incoming::begin(target.clone(), "file", &sha256(b"hello"), 5, 0)
            .await
            .unwrap();
        short.write(b"hel").await.unwrap();
        assert!(short.finish().await.is_err());

        let mut long = Incoming::begin(target.clone(), "file", &sha256(b"hello"), 5, 0)
            .await
            .unwrap();
        assert!(long.write(b"hello world").await.is_err());
        drop(long);
        let left: Vec<_> = std::fs::read_dir(target.parent().unwrap())
            .unwrap()
            .collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
