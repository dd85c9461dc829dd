//! The only place of the controller that starts programs: argv, never a shell.

use std::process::Stdio;

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

/// When a process began, in clock ticks since boot: with its pid this names it for ever.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; field 22 is the 20th after it.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

/// Whether the process with that pid is the one that was started then.
pub fn is_alive(pid: u32, started: u64) -> bool {
    let is_zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|s| {
            s.rsplit_once(')')
                .map(|(_, rest)| rest.trim_start().starts_with('Z'))
        })
        .unwrap_or(false);
    start_time(pid) == Some(started) && !is_zombie
}

/// Sends a signal to that process, if it still is the same.
pub fn signal(pid: u32, started: u64, signal: rustix::process::Signal) {
    if is_alive(pid, started)
        && let Some(pid) = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
    {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// Whether whoever started this program wants it to outlive its terminal, as `nohup` does.
pub fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is the first of all signals.
    ignored.is_some_and(|mask| mask & 1 != 0)
}
