//! Control groups of the host, one per guest: CPU quota, memory and cores. Version 2 where it has these controllers,
//! else version 1, in which each controller is a hierarchy of its own.

use continuum_host::error::Error;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Below the place where groups may be made.
const OWN: &str = "continuum";
/// In which a quota is counted. Longer, and a throttled guest stands still for longer; shorter, and it costs more.
const PERIOD_US: u64 = 100_000;
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "cpuset"];
/// For the kernel to see that the last process of a group is gone.
const REMOVE_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Where groups can be made on this host, by controller.
#[derive(Debug, Clone, Default)]
pub(super) struct ControlGroups {
    controllers: BTreeMap<&'static str, (Version, PathBuf)>,
}

/// A hierarchy that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    version_two: bool,
    path: PathBuf,
    options: String,
}

fn mounts(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, path, kind, options) = (
                fields.next()?,
                fields.next()?,
                fields.next()?,
                fields.next()?,
            );
            (kind == "cgroup" || kind == "cgroup2").then(|| Mount {
                version_two: kind == "cgroup2",
                path: path.into(),
                options: options.to_owned(),
            })
        })
        .collect()
}

/// The version 2 group of a process, as /proc/self/cgroup names it.
fn own_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split([' ', ',', '\n']).any(|w| w == word)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::file("write to", path))
}

impl ControlGroups {
    pub(super) fn of_host() -> Self {
        let is_root = rustix::process::geteuid().is_root();
        let mut controllers = BTreeMap::new();
        for mount in mounts(&read(Path::new("/proc/self/mounts"))) {
            if mount.version_two {
                let Some(base) = base_of_version_two(&mount.path, is_root) else {
                    continue;
                };
                let offered = read(&base.join("cgroup.controllers"));
                for controller in CONTROLLERS.into_iter().filter(|c| has_word(&offered, c)) {
                    controllers.insert(controller, (Version::Two, base.join(OWN)));
                }
            } else if is_root {
                for controller in CONTROLLERS
                    .into_iter()
                    .filter(|c| has_word(&mount.options, c))
                {
                    let place = (Version::One, mount.path.join(OWN));
                    controllers.entry(controller).or_insert(place);
                }
            }
        }
        Self { controllers }
    }

    /// Whether a controller can be used.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.contains_key(controller)
    }

    /// Makes the groups of a guest; returns the files that take its process number.
    pub(super) fn create(&self, name: &str) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for (controller, (version, base)) in &self.controllers {
            let group = base.join(name);
            std::fs::create_dir_all(base).map_err(Error::file("create", base))?;
            if *version == Version::Two {
                for parent in [base.parent().unwrap_or(base), base] {
                    write(
                        &parent.join("cgroup.subtree_control"),
                        &format!("+{controller}"),
                    )?;
                }
            }
            std::fs::create_dir_all(&group).map_err(Error::file("create", &group))?;
            if *controller == "cpuset" && *version == Version::One {
                // A new group has no processor, and takes no process before it has one.
                for dir in [base, &group] {
                    for file in ["cpuset.cpus", "cpuset.mems"] {
                        let parent = read(&dir.parent().unwrap_or(dir).join(file));
                        write(&dir.join(file), parent.trim())?;
                    }
                }
            }
            files.push(group.join("cgroup.procs"));
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn group(&self, controller: &str, name: &str) -> Option<(Version, PathBuf)> {
        let (version, base) = self.controllers.get(controller)?;
        Some((*version, base.join(name)))
    }

    /// Sets a guest's share of each of its cores; returns what the kernel has then. `None` where there is no controller.
    pub(super) fn set_cpu_quota(
        &self,
        name: &str,
        quota: f64,
        cores: u32,
    ) -> Result<Option<f64>, Error> {
        let Some((version, group)) = self.group("cpu", name) else {
            return Ok(None);
        };
        let share = quota * f64::from(cores);
        let quota_us = (share * PERIOD_US as f64).round() as u64;
        let is_limited = quota < 1.0;
        match version {
            Version::Two => {
                let text = if is_limited {
                    format!("{quota_us} {PERIOD_US}")
                } else {
                    format!("max {PERIOD_US}")
                };
                write(&group.join("cpu.max"), &text)?;
            }
            Version::One => {
                write(&group.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
                let text = if is_limited {
                    quota_us.to_string()
                } else {
                    "-1".to_owned()
                };
                write(&group.join("cpu.cfs_quota_us"), &text)?;
            }
        }
        let (text, period) = match version {
            Version::Two => {
                let text = read(&group.join("cpu.max"));
                let (quota, period) = text.trim().split_once(' ').unwrap_or_default();
                (quota.to_owned(), period.to_owned())
            }
            Version::One => (
                read(&group.join("cpu.cfs_quota_us")),
                read(&group.join("cpu.cfs_period_us")),
            ),
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| *n > 0.0);
        Ok(Some(match (number(&text), number(&period)) {
            (Some(quota), Some(period)) => quota / period / f64::from(cores),
            _ => 1.0,
        }))
    }

    /// Bounds the memory of a guest's process and of what the host keeps of its disks.
    pub(super) fn set_memory(&self, name: &str, bytes: u64) -> Result<(), Error> {
        match self.group("memory", name) {
            Some((Version::Two, group)) => write(&group.join("memory.max"), &bytes.to_string()),
            Some((Version::One, group)) => {
                write(&group.join("memory.limit_in_bytes"), &bytes.to_string())
            }
            None => Ok(()),
        }
    }

    /// Lets a guest run on these processors only; false where there is no controller.
    pub(super) fn set_processors(&self, name: &str, processors: &[u32]) -> Result<bool, Error> {
        let Some((_, group)) = self.group("cpuset", name) else {
            return Ok(false);
        };
        let list: Vec<String> = processors.iter().map(u32::to_string).collect();
        write(&group.join("cpuset.cpus"), &list.join(",")).map(|()| true)
    }

    /// Removes the groups of a guest whose processes are gone.
    pub(super) fn remove(&self, name: &str) {
        let deadline = Instant::now() + REMOVE_DEADLINE;
        for (_, base) in self.controllers.values() {
            let group = base.join(name);
            while group.exists()
                && std::fs::remove_dir(&group).is_err()
                && Instant::now() < deadline
            {
                std::thread::yield_now();
            }
            // Gone with its last guest.
            std::fs::remove_dir(base).ok();
        }
    }
}

/// The group that ours may be made in: the root of the hierarchy for root; else the highest of one's own groups that
/// belongs to the user, which is where a service manager has delegated it.
fn base_of_version_two(mount: &Path, is_root: bool) -> Option<PathBuf> {
    if is_root {
        return Some(mount.to_owned());
    }
    let text = read(Path::new("/proc/self/cgroup"));
    let own = mount.join(own_group(&text)?);
    let is_ours = |dir: &Path| {
        rustix::fs::access(dir.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok()
            && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
    };
    // The process itself is moved from its group into ours: that takes the right to write to both.
    own.ancestors()
        .take_while(|dir| dir.starts_with(mount) && *dir != mount)
        .take_while(|dir| is_ours(dir))
        .last()
        // Its own group has processes, so that groups in it could have no controllers.
        .filter(|dir| *dir != own)
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let text = "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                    cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n";
        let found = mounts(text);
        let words: Vec<_> = found
            .iter()
            .map(|m| (m.version_two, m.path.display().to_string()))
            .collect();
        assert_eq!(
            words,
            [
                (false, "/sys/fs/cgroup/cpu,cpuacct".to_owned()),
                (true, "/sys/fs/cgroup/unified".to_owned())
            ]
        );
        assert!(has_word(&found[0].options, "cpu") && !has_word(&found[0].options, "cpuset"));
    }

    #[test]
    fn the_own_group_is_the_one_of_version_two() {
        let text =
            "4:memory:/x\n0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope\n";
        assert_eq!(
            own_group(text),
            Some("user.slice/user-1000.slice/user@1000.service/app.slice/a.scope")
        );
        assert_eq!(own_group("1:cpu:/\n"), None);
    }

    #[test]
    fn without_controllers_nothing_can_be_limited_and_nothing_fails() {
        let none = ControlGroups::default();
        assert_eq!(none.create("g").unwrap(), Vec::<PathBuf>::new());
        assert_eq!(none.set_cpu_quota("g", 0.5, 1).unwrap(), None);
        assert!(!none.set_processors("g", &[0]).unwrap());
        none.set_memory("g", 1).unwrap();
        none.remove("g");
    }
}
