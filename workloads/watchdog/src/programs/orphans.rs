//! Children of this process that it did not start: their parents are gone.

use rustix::process::{Pid, WaitOptions};
use std::{fs, path::Path};

/// Children of this process, from what the kernel lists for each of its threads.
fn listed() -> Option<Vec<i32>> {
    let mut all = Vec::new();
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => all.extend(
                text.split_whitespace()
                    .filter_map(|p| p.parse::<i32>().ok()),
            ),
            // A thread may end while it is looked at, but the first does not.
            Err(_) if thread.file_name() != *std::process::id().to_string() => {}
            Err(_) => return None,
        }
    }
    Some(all)
}

/// The parent of a process, from its `stat`, whose second field is a name in parentheses.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(") ")?;
    behind.split(' ').nth(1)?.parse().ok()
}

/// The same from all processes, for kernels that list no children.
fn searched() -> Vec<i32> {
    let own = std::process::id();
    let is_child = |path: &Path| {
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        parent(&stat) == Some(own)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        is_child(&entry.path()).then_some(pid)
    })
    .collect()
}

/// All children of this process.
pub(super) fn children() -> Vec<Pid> {
    let all = listed().unwrap_or_else(searched);
    all.into_iter().filter_map(Pid::from_raw).collect()
}

/// Takes note of the end of those that have ended.
pub(super) fn reap(pids: &[Pid]) {
    for pid in pids {
        rustix::process::waitpid(Some(*pid), WaitOptions::NOHANG).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("7 (a b) c) S 12 7 7 0"), Some(12));
        assert_eq!(parent("nothing"), None);
    }
}
