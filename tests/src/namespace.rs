//! A network namespace that a test makes for itself: what happens in it does not touch the machine's own network.

use crate::process::{command, pause};
use anyhow::{Context, ensure};
use std::{
    fs::{File, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// For another run, which may be in the middle of a test.
const OTHER_DEADLINE: Duration = Duration::from_mins(30);

/// A namespace by name, with nothing but `lo`, which is up. It goes when this is dropped.
///
/// Not for `ip netns exec`: that remounts /sys, and control groups are lost.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes it; one of that name that a killed run left goes first.
    pub fn make(name: &str) -> anyhow::Result<Self> {
        if path(name).exists() {
            run(command("ip").args(["netns", "del", name]))?;
        }
        run(command("ip").args(["netns", "add", name]))?;
        let made = Self {
            name: name.to_owned(),
        };
        run(made.enter("ip").args(["link", "set", "lo", "up"]))?;
        Ok(made)
    }

    /// As `nsenter` takes it.
    pub fn option(&self) -> String {
        format!("--net={}", path(&self.name).display())
    }

    pub fn enter(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut enter = command("nsenter");
        enter.arg(self.option()).arg("--").arg(program);
        enter
    }

    /// Whether a process lives in it.
    pub fn has(&self, pid: u32) -> bool {
        lives_in(pid, &self.name)
    }

    pub fn processes(&self) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = entries
            .flatten()
            .filter_map(|e| e.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.has(*pid)).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        command("ip")
            .args(["netns", "del", &self.name])
            .status()
            .ok();
    }
}

/// Whether a process lives in the namespace of that name, if there is one.
pub(crate) fn lives_in(pid: u32, name: &str) -> bool {
    let of_process = std::fs::metadata(format!("/proc/{pid}/ns/net"));
    match (of_process, std::fs::metadata(path(name))) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Runs a program to its end; what it says when it fails is in the error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// A lock that one run of this machine at a time has; waits for another one, and says so.
pub fn only_one(path: &Path, what: &str) -> anyhow::Result<File> {
    let lock = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let deadline = Instant::now() + OTHER_DEADLINE;
    let mut said = false;
    while let Err(error) = lock.try_lock() {
        ensure!(
            matches!(error, TryLockError::WouldBlock) && Instant::now() < deadline,
            "another {what} of this machine did not end within {} s: {error}",
            OTHER_DEADLINE.as_secs()
        );
        if !said {
            tell(&format!(
                "waiting for another {what} of this machine to end"
            ));
            said = true;
        }
        pause();
    }
    Ok(lock)
}

#[expect(clippy::print_stderr, reason = "a wait says what it waits for")]
fn tell(text: &str) {
    eprintln!("{text}");
}
