//! Where the tests of this program happen: for each provider one network, one state directory.

use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::Ctl,
    namespace::{Namespace, only_one},
    process::{end, pause, start_time},
    testbed::Testbed,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

pub(crate) const BOOT: Duration = Duration::from_mins(6);
/// QEMU's user, and those of guests, must reach it.
pub(crate) const DIR: &str = "/var/lib/continuum-vm-tests";
const NAMESPACE: &str = "continuum-uml-tests";
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Uml,
    Qemu,
}

impl Provider {
    /// As in configs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uml => "uml",
            Self::Qemu => "qemu",
        }
    }
}

/// Where its machines have their network.
enum Place {
    Libvirt(Testbed),
    Plain(
        Namespace,
        #[expect(dead_code, reason = "held")] std::fs::File,
    ),
}

pub(crate) struct VmFixture {
    pub(crate) provider: Provider,
    place: Place,
    pub(crate) dir: PathBuf,
    /// Control groups that were there before: not of these tests.
    others: Vec<PathBuf>,
}

impl VmFixture {
    pub(crate) fn start(provider: Provider) -> anyhow::Result<Self> {
        let dir = Path::new(DIR).join(provider.name());
        std::fs::create_dir_all(&dir).context("create the tests' directory")?;
        let place = match provider {
            Provider::Qemu => Place::Libvirt(Testbed::start()?),
            Provider::Uml => {
                let lock = only_one(&dir.with_extension("lock"), "run of these tests")?;
                // Guests outlive a run that was killed.
                drop(Ctl::new(dir.join("state")));
                Place::Plain(Namespace::make(NAMESPACE)?, lock)
            }
        };
        clear(&dir)?;
        Ok(Self {
            others: guest_groups().collect(),
            provider,
            place,
            dir,
        })
    }

    /// A program in the network of its machines.
    pub(crate) fn enter(&self, program: &str) -> Command {
        match &self.place {
            Place::Libvirt(testbed) => testbed.enter(program),
            Place::Plain(namespace, _) => namespace.enter(program),
        }
    }

    pub(crate) fn ctl(&self) -> Ctl {
        self.ctl_at(self.dir.join("state"))
    }

    /// With another state directory.
    pub(crate) fn ctl_at(&self, state: impl Into<PathBuf>) -> Ctl {
        Ctl::new(state)
            .through(&self.enter("env"))
            .set(format!("infrastructure.provider={}", self.provider.name()))
    }

    /// Whether its machines are many times slower than this one. Those of libvirt may be emulated.
    pub(crate) fn is_slow(&self) -> bool {
        self.provider == Provider::Qemu
    }

    pub(crate) fn results(&self, name: &str) -> (PathBuf, String) {
        let path = self.dir.join(name);
        let text = path.display().to_string();
        (path, text)
    }

    /// Writes a file; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    pub(crate) fn inside(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.enter(program).args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{program} {arguments:?}: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    }

    pub(crate) fn virsh(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.inside(
            "virsh",
            &[&["--quiet", "--connect", "qemu:///system"], arguments].concat(),
        )
    }

    /// The machine of a node is gone at once, as after a loss of power.
    pub(crate) fn kill(&self, ctl: &Ctl, deployment: &str, node: &str) -> anyhow::Result<()> {
        let machine = machine_name(ctl, deployment, node)?;
        if self.provider == Provider::Qemu {
            return self.virsh(&["destroy", &machine]).map(|_| ());
        }
        let (_, guest) = guest_processes(ctl, &machine)?;
        kill(guest)
    }

    /// No machine, network, disk or process of any deployment is left.
    pub(crate) fn check_nothing_left(&self) -> anyhow::Result<()> {
        self.check_nothing_left_of(&self.ctl_state())
    }

    fn ctl_state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The same with another state directory.
    pub(crate) fn check_nothing_left_of(&self, state: &Path) -> anyhow::Result<()> {
        let mut left = Vec::new();
        if self.provider == Provider::Qemu {
            left.push(self.virsh(&["list", "--all", "--name"])?.trim().to_owned());
            left.push(
                self.virsh(&["net-list", "--all", "--name"])?
                    .trim()
                    .to_owned(),
            );
            left.extend(entries(&state.join("pool")).filter(|name| name.starts_with("ct-")));
            left.extend(processes(|line| {
                line.contains("qemu-system") && line.contains("guest=ct-")
            }));
        }
        let links = self.inside("ip", &["-brief", "link"])?;
        let ours = links.lines().filter(|l| l.starts_with("ct"));
        left.extend(ours.map(str::to_owned));
        let groups =
            guest_groups().filter(|group| !self.others.contains(group) && is_left(group, state));
        left.extend(groups.map(|group| group.display().to_string()));
        left.extend(of_uml(state));
        left.extend(entries(&state.join("deployments")));
        left.retain(|what| !what.is_empty());
        ensure!(left.is_empty(), "left: {left:#?}");
        Ok(())
    }
}

/// Guest directories, holders of namespaces and processes of a state directory.
pub(crate) fn of_uml(state: &Path) -> Vec<String> {
    let mut left: Vec<String> = entries(&state.join("guests")).collect();
    left.extend(entries(&state.join("namespaces")));
    let (guests, holder) = (
        format!(" guest {}/", state.join("guests").display()),
        format!(" hold-namespace {}/", state.join("namespaces").display()),
    );
    left.extend(processes(|line| {
        line.contains(&guests) || line.contains(&holder)
    }));
    left
}

/// All that an earlier run left, but kernels and disks by content, which take time to make.
fn clear(dir: &Path) -> anyhow::Result<()> {
    for name in entries(dir).filter(|name| name != "state") {
        let path = dir.join(name);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| format!("remove {}", path.display()))?;
    }
    let state = dir.join("state");
    for name in entries(&state).filter(|name| name != "uml") {
        let path = state.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned())
}

/// Whether a control group is none of another state directory's guests. One without processes is made or removed just now.
fn is_left(group: &Path, state: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    let ours = state.display().to_string();
    while group.exists() {
        let processes = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        let command = |pid: &str| std::fs::read(format!("/proc/{pid}/cmdline")).ok();
        let mut commands = processes.lines().filter_map(command);
        let supervisor = commands.find_map(|line| {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(" guest /").then_some(line)
        });
        match supervisor {
            Some(line) => return line.contains(&format!("{ours}/")),
            None if Instant::now() > deadline => return true,
            None => pause(),
        }
    }
    false
}

/// Control groups of guests, in hierarchies of either version.
fn guest_groups() -> impl Iterator<Item = PathBuf> {
    let top = Path::new(CONTROL_GROUPS).to_owned();
    let hierarchies = entries(&top).map(|name| Path::new(CONTROL_GROUPS).join(name));
    std::iter::once(top).chain(hierarchies).flat_map(|dir| {
        let ours = dir.join("continuum");
        entries(&ours).filter_map(move |name| name.starts_with("ct-").then(|| ours.join(name)))
    })
}

/// Command lines of processes that run.
pub(crate) fn processes(is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let lines = entries.flatten().filter_map(line);
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| is_meant(line)).collect()
}

/// Of a domain, or of a guest.
pub(crate) fn machine_name(ctl: &Ctl, deployment: &str, node: &str) -> anyhow::Result<String> {
    let list = ctl.json(0, &["list"])?;
    let all = list["deployments"].as_array().context("deployments")?;
    let found = all.iter().find(|d| d["name"] == deployment);
    let id = found.and_then(|d| d["id"].as_str());
    let id = id.with_context(|| format!("no id of {deployment} in {list}"))?;
    Ok(format!("ct-{id}-{node}"))
}

/// A process as the provider has written it down: number, and clock ticks when it was started.
pub(crate) type Written = (u32, u64);

pub(crate) fn guest_processes(ctl: &Ctl, machine: &str) -> anyhow::Result<(Written, Written)> {
    let path = ctl.state().join("guests").join(machine).join("status.json");
    let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let status: Value = serde_json::from_slice(&text)?;
    let of = |who: &str| {
        let process = &status["running"][who];
        let number = |field: &str| process[field].as_u64();
        let both = number("pid").zip(number("started"));
        let (pid, started) = both.with_context(|| format!("no {who} in {status}"))?;
        anyhow::Ok((u32::try_from(pid)?, started))
    };
    Ok((of("supervisor")?, of("guest")?))
}

/// Ends it at once, if it still is the one.
pub(crate) fn kill((pid, started): Written) -> anyhow::Result<()> {
    ensure!(
        start_time(pid) == Some(started),
        "process {pid} is not there any more"
    );
    end(pid, started, Duration::ZERO);
    Ok(())
}

/// Addresses of a deployment's nodes.
pub(crate) fn address(ctl: &Ctl, deployment: &str, node: &str) -> anyhow::Result<String> {
    let status = ctl.json(0, &["status", deployment])?;
    let nodes = status["nodes"].as_array().context("nodes")?;
    let found = nodes.iter().find(|n| n["node"] == node);
    let address = found.and_then(|n| n["address"].as_str());
    let address = address.with_context(|| format!("no address of {node} in {status}"))?;
    Ok(address.to_owned())
}

/// For what must take this long.
#[expect(
    clippy::disallowed_methods,
    reason = "how long something goes on is what a test is about"
)]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}

pub(crate) fn median(mut values: Vec<f64>) -> anyhow::Result<f64> {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .context("nothing measured")
}

/// Delays in what `tc` says that are those of 4G, less what the host takes for a packet's way itself: two at most.
pub(crate) fn delays_of_4g(tc: &str) -> usize {
    let delays = tc.split(" delay ").skip(1);
    let milliseconds = delays.filter_map(|text| text.split("ms").next()?.parse::<f64>().ok());
    milliseconds.filter(|ms| (5.5..=7.5).contains(ms)).count()
}

/// Milliseconds in ping's output.
pub(crate) fn ping_times(text: &str) -> Vec<f64> {
    text.lines()
        .filter_map(|l| l.split_once("time=")?.1.split(' ').next()?.parse().ok())
        .collect()
}
