//! The only place of the controller that starts programs: argv, never a shell.

use std::process::Stdio;

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
