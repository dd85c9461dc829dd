//! Locks on a deployment. The kernel drops a dead holder's lock, so a killed command never blocks the next.

use crate::error::Error;
use std::{
    io::{Read, Seek, Write},
    path::Path,
};

/// Who may hold it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// `up`, `down`: alone.
    Exclusive,
    /// `bench`: beside others that only use it.
    Shared,
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: std::fs::File,
}

impl Lock {
    /// Takes the lock of a name in the directory of locks, or says who has it. Lock files stay: removing one
    /// could give two processes a lock each.
    pub fn take(dir: &Path, name: &str, kind: LockKind) -> Result<Self, Error> {
        super::dirs::make_private(dir)?;
        let path = dir.join(format!("{name}.lock"));
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        let taken = match kind {
            LockKind::Exclusive => file.try_lock(),
            LockKind::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => {
                let text = format!("{} {}\n", std::process::id(), command_line());
                // Only for whoever is refused: a full disk must not keep anybody from `down`.
                let written = file
                    .set_len(0)
                    .and_then(|()| file.write_all(text.as_bytes()));
                if let Err(error) = written {
                    tracing::debug!("note the holder of {}: {error}", path.display());
                }
                Ok(Self { _file: file })
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.rewind()
                    .and_then(|()| file.read_to_string(&mut holder))
                    .ok();
                let holder = holder.trim().split_once(' ').map_or_else(
                    || "another process holds it".to_owned(),
                    |(pid, command)| format!("process {pid} holds it ({command})"),
                );
                Err(Error::Locked {
                    name: name.to_owned(),
                    holder,
                })
            }
            Err(std::fs::TryLockError::Error(e)) => Err(Error::file("lock", path)(e)),
        }
    }
}

fn command_line() -> String {
    std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_or_several_together() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), "d", LockKind::Exclusive).unwrap();
        let error = Lock::take(dir.path(), "d", LockKind::Shared).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        assert_eq!(error.exit(), crate::exit::Exit::Locked);
        drop(first);
        let _a = Lock::take(dir.path(), "d", LockKind::Shared).unwrap();
        let _b = Lock::take(dir.path(), "d", LockKind::Shared).unwrap();
        assert!(Lock::take(dir.path(), "d", LockKind::Exclusive).is_err());
    }
}
