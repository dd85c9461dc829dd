//! Starting programs, and knowing them again by pid and start time.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// A program of this workspace, beside the one that is running.
pub fn workspace_program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors()
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// When a process began, in clock ticks since boot. One that has ended, but that nobody has waited for, is none.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_running = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| is_running)
}

/// Ends a process if it still is the one that was started then; waits until it is gone.
pub fn end(pid: u32, started: u64, grace: Duration) {
    let is_same = || start_time(pid) == Some(started);
    let Some(target) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return;
    };
    let deadline = Instant::now() + grace;
    let mut signal = rustix::process::Signal::TERM;
    while is_same() {
        rustix::process::kill_process(target, signal).ok();
        pause();
        if Instant::now() > deadline {
            signal = rustix::process::Signal::KILL;
        }
        if Instant::now() > deadline + Duration::from_secs(5) {
            return;
        }
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

/// A short wait between two looks.
#[expect(
    clippy::disallowed_methods,
    reason = "polling with a deadline, in one place"
)]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_nobody_waits_for_has_ended_all_the_same() {
        let mut child = command("sleep").arg("infinity").spawn().unwrap();
        let since = start_time(child.id()).unwrap();
        assert!(start_time(std::process::id()).is_some_and(|own| own <= since));
        end(child.id(), since, Duration::from_mins(1));
        assert_eq!(start_time(child.id()), None);
        child.wait().unwrap();
    }
}
