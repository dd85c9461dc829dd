//! The only place of the controller that starts programs: argv, never a shell.

use std::{os::unix::fs::MetadataExt, path::Path, process::Stdio};

pub use continuum_common::process::{ends, is_alive, is_hang_up_ignored, signal, start_time};

/// A command without standard input.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// The same for code that runs on a thread of its own, or without any.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn blocking_command(program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Whether a process has that file open, as far as we may look.
pub fn is_open(file: &Path) -> bool {
    let Ok(wanted) = std::fs::metadata(file) else {
        return false;
    };
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let open = entries(Path::new("/proc")).flat_map(|process| entries(&process.path().join("fd")));
    open.filter_map(|fd| std::fs::metadata(fd.path()).ok())
        .any(|have| (have.dev(), have.ino()) == (wanted.dev(), wanted.ino()))
}
