//! Processes of this machine, known again by when they began: a number alone may belong to another one by now.

use crate::wait::Patience;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When a process began, in clock ticks since boot. One that has ended, but that nobody has waited for, is none.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_running = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| is_running)
}

/// Whether the process with that pid is the one that was started then.
pub fn is_alive(pid: u32, started: u64) -> bool {
    start_time(pid) == Some(started)
}

/// Sends a signal to that process, if it still is the same.
pub fn signal(pid: u32, started: u64, signal: Signal) {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(raw) = raw.filter(|_| is_alive(pid, started)) {
        kill_process(raw, signal).ok();
    }
}

/// Whether it ends within a time.
pub async fn ends(pid: u32, started: u64, within: Duration) -> bool {
    let mut patience = Patience::new(within, LOOK_EVERY);
    while is_alive(pid, started) {
        if patience.again(()).await.is_err() {
            return false;
        }
    }
    true
}

/// Whether whoever started this program wants it to outlive its terminal, as `nohup` does.
pub fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is the first of all signals.
    ignored.is_some_and(|mask| mask & 1 != 0)
}
