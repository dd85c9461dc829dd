//! Control groups (version 2) below the one that systemd gave to the agent.
//!
//! ```text
//! /sys/fs/cgroup/system.slice/continuum-agent.service/     delegated by the unit
//!     agent/              the agent itself: a group with children may hold no processes
//!     run-<id>/           one per run: cpu.max, memory.max
//! ```

use crate::error::AgentError;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const PERIOD_US: u64 = 100_000;

/// What a run may use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    /// Cores, fractions allowed; `None` = all.
    pub cpu_cores: Option<f64>,
    /// `None` = all.
    pub memory_bytes: Option<u64>,
}

impl Limits {
    /// The text for `cpu.max`; exact to a thousandth of a core.
    fn cpu_max(&self) -> String {
        match self.cpu_cores {
            Some(cores) => {
                let quota = ((cores * PERIOD_US as f64).round() as u64).max(1000);
                format!("{quota} {PERIOD_US}")
            }
            None => format!("max {PERIOD_US}"),
        }
    }

    fn memory_max(&self) -> String {
        self.memory_bytes
            .map_or_else(|| "max".to_owned(), |bytes| bytes.to_string())
    }
}

/// The agent's own group, made ready for children.
#[derive(Debug, Clone)]
pub(crate) struct CgroupBase {
    dir: PathBuf,
}

fn write(path: &Path, text: &str) -> Result<(), AgentError> {
    std::fs::write(path, text).map_err(AgentError::file("write control group file", path))
}

fn read(path: &Path) -> Result<String, AgentError> {
    std::fs::read_to_string(path)
        .map(|t| t.trim().to_owned())
        .map_err(AgentError::file("read control group file", path))
}

impl CgroupBase {
    /// Moves the agent into a leaf and switches the controllers on.
    pub(crate) fn prepare() -> Result<Self, AgentError> {
        let own = read(Path::new("/proc/self/cgroup"))?;
        let path = own
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .ok_or_else(|| AgentError::Unsupported {
                doing: "limit CPU and memory",
                why: "it has no unified control group hierarchy",
            })?;
        // After a restart without a clean end the agent may find itself in the leaf already.
        let dir = Path::new("/sys/fs/cgroup").join(path.strip_suffix("/agent").unwrap_or(path));
        let base = Self { dir };
        let leaf = base.dir.join("agent");
        std::fs::create_dir_all(&leaf).map_err(AgentError::file("create control group", &leaf))?;
        write(&leaf.join("cgroup.procs"), "0")?;
        write(&base.dir.join("cgroup.subtree_control"), "+cpu +memory")?;
        Ok(base)
    }

    /// A group for one run.
    pub(super) fn create(&self, id: &str, limits: Limits) -> Result<Cgroup, AgentError> {
        let dir = self.dir.join(format!("run-{id}"));
        std::fs::create_dir_all(&dir).map_err(AgentError::file("create control group", &dir))?;
        let group = Cgroup { dir };
        write(&group.dir.join("cpu.max"), &limits.cpu_max())?;
        write(&group.dir.join("memory.max"), &limits.memory_max())?;
        Ok(group)
    }
}

/// The group of one run; removed when dropped.
#[derive(Debug)]
pub(super) struct Cgroup {
    dir: PathBuf,
}

/// What a run used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    pub(super) memory_peak_bytes: u64,
    pub(super) oom_kills: u64,
}

impl Cgroup {
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// `cpu.max` and `memory.max` as the kernel has them.
    pub(super) fn read_back(&self) -> Result<(String, String), AgentError> {
        Ok((
            read(&self.dir.join("cpu.max"))?,
            read(&self.dir.join("memory.max"))?,
        ))
    }

    pub(super) fn usage(&self) -> Usage {
        let file = |name: &str| read(&self.dir.join(name)).unwrap_or_default();
        let field = |text: &str, key: &str| -> u64 {
            text.lines()
                .find_map(|l| l.strip_prefix(key)?.trim().parse().ok())
                .unwrap_or_default()
        };
        Usage {
            cpu: Duration::from_micros(field(&file("cpu.stat"), "usage_usec ")),
            memory_peak_bytes: file("memory.peak").parse().unwrap_or_default(),
            oom_kills: field(&file("memory.events"), "oom_kill "),
        }
    }

    /// Kills everything in it.
    pub(super) fn kill(&self) {
        if let Err(error) = write(&self.dir.join("cgroup.kill"), "1") {
            tracing::warn!("{}", crate::error::chain(&error));
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A container runtime that was killed has left its own below.
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                std::fs::remove_dir(entry.path()).ok();
            }
        }
        std::fs::remove_dir(&self.dir).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_core_is_half_a_core() {
        let limits = Limits {
            cpu_cores: Some(0.5),
            memory_bytes: Some(512 << 20),
        };
        assert_eq!(limits.cpu_max(), "50000 100000");
        assert_eq!(limits.memory_max(), "536870912");
        assert_eq!(Limits::default().cpu_max(), "max 100000");
        assert_eq!(
            Limits {
                cpu_cores: Some(0.001),
                ..limits
            }
            .cpu_max(),
            "1000 100000"
        );
    }
}
