//! Starting programs, and knowing them again by pid and start time.

use continuum_common::process;
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(30);

pub use continuum_common::process::{is_alive, is_hang_up_ignored, start_time};

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

/// Ends a process if it still is the one that was started then; waits until it is gone.
pub fn end(pid: u32, started: u64, grace: Duration) {
    let deadline = Instant::now() + grace;
    let mut signal = rustix::process::Signal::TERM;
    while is_alive(pid, started) {
        process::signal(pid, started, signal);
        pause();
        if Instant::now() > deadline {
            signal = rustix::process::Signal::KILL;
        }
        if Instant::now() > deadline + Duration::from_secs(5) {
            return;
        }
    }
}

/// A short wait between two looks.
#[expect(
    clippy::disallowed_methods,
    reason = "polling with a deadline, in one place"
)]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

/// Waits for half a minute at most until something is so.
pub fn wait_for(what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        anyhow::ensure!(Instant::now() < deadline, "waited {SOON:?} for {what}");
        pause();
    }
    Ok(())
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
