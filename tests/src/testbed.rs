//! A libvirt of its own, in a network namespace of its own, for machines where none runs.
//!
//! ```text
//! namespace NAME (ip netns) ─ lo
//!   private mounts: /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
//!   virtlogd, libvirtd ─ guests ─ the command, started by `nsenter`
//! ```
//! What it starts is recorded with pid and start time and ended by those; what a killed run left is ended by the
//! next one. Not `ip netns exec`: that remounts /sys, and libvirt loses its control groups.

use crate::{
    namespace::{Namespace, lives_in, only_one, run},
    process::{command, end, is_hang_up_ignored, pause, start_time},
};
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const NAMESPACE: &str = "continuum-testbed";
/// Of what was started, in its directory.
const RECORD: &str = "processes.json";
const START_DEADLINE: Duration = Duration::from_mins(1);

/// A process as recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Started {
    what: String,
    pid: u32,
    since: u64,
}

#[derive(Debug)]
pub struct Testbed {
    dir: PathBuf,
    processes: Vec<Started>,
    namespace: Namespace,
    _lock: std::fs::File,
}

/// Why this machine cannot have a testbed; `None` = it can.
pub fn missing() -> Option<String> {
    missing_programs(&[
        "libvirtd",
        "virtlogd",
        "qemu-system-x86_64",
        "ip",
        "nsenter",
        "unshare",
        "mount",
    ])
}

/// Why programs cannot be run by root here.
pub(crate) fn missing_programs(programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".into());
    }
    let is_there = |program: &str| {
        let mut dirs = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter();
        dirs.any(|dir| Path::new(dir).join(program).exists())
    };
    let missing = programs.iter().find(|program| !is_there(program))?;
    Some(format!("{missing} is not installed"))
}

const QEMU_CONF: &str = "\
security_driver = \"none\"
user = \"libvirt-qemu\"
group = \"libvirt-qemu\"
dynamic_ownership = 1
remember_owner = 0
namespaces = [ ]
cgroup_controllers = [ \"cpu\", \"cpuacct\", \"blkio\" ]
stdio_handler = \"logd\"
max_core = 0
";
const VIRTLOGD_CONF: &str = "max_size = 1048576\nmax_backups = 1\n";
const LIBVIRTD_CONF: &str = "\
auth_unix_ro = \"none\"
auth_unix_rw = \"none\"
unix_sock_rw_perms = \"0700\"
log_outputs = \"3:file:/var/log/libvirt/libvirtd.log\"
";

/// What is mounted over, below the testbed's directory.
const PRIVATE: [(&str, &str); 5] = [
    ("etc", "/etc/libvirt"),
    ("run", "/run/libvirt"),
    ("lib", "/var/lib/libvirt"),
    ("log", "/var/log/libvirt"),
    ("cache", "/var/cache/libvirt"),
];

impl Testbed {
    /// Makes it; waits for another one of this machine to end first.
    pub fn start() -> anyhow::Result<Self> {
        if let Some(why) = missing() {
            bail!("no testbed on this machine: {why}");
        }
        let dir = PathBuf::from("/var/lib/continuum-testbed");
        for sub in ["etc/qemu", "run", "lib/dnsmasq", "log/qemu", "cache"] {
            std::fs::create_dir_all(dir.join(sub)).with_context(|| format!("create {sub}"))?;
        }
        let lock = only_one(&dir.join("lock"), "testbed")?;
        // Before the old namespace goes: it is how guests of a killed run are known.
        end_guests(&dir);
        end_recorded(&dir);
        let mut testbed = Self {
            dir,
            processes: Vec::new(),
            namespace: Namespace::make(NAMESPACE)?,
            _lock: lock,
        };
        // Definitions of machines and networks that a killed run left would only be in the way.
        for (sub, again) in [("etc", "etc/qemu"), ("run", "run"), ("lib", "lib/dnsmasq")] {
            std::fs::remove_dir_all(testbed.dir.join(sub)).ok();
            std::fs::create_dir_all(testbed.dir.join(again))
                .with_context(|| format!("create {again}"))?;
        }
        testbed.write("etc/qemu.conf", QEMU_CONF)?;
        testbed.write("etc/virtlogd.conf", VIRTLOGD_CONF)?;
        testbed.write("etc/libvirtd.conf", LIBVIRTD_CONF)?;
        testbed.write("etc/libvirt.conf", "")?;
        // libvirt asks QEMU again and again about a /dev/kvm that its user cannot use: hide it.
        testbed.write("no-kvm", "")?;
        for (_, target) in PRIVATE {
            std::fs::create_dir_all(target).with_context(|| format!("create {target}"))?;
        }
        testbed.hold_namespace()?;
        testbed.daemon("virtlogd")?;
        testbed.daemon("libvirtd")?;
        testbed.wait_for_libvirt()?;
        Ok(testbed)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// A process that keeps the mount namespace, into which the others go. Its mounts are private to it.
    fn hold_namespace(&mut self) -> anyhow::Result<()> {
        let holder = self
            .namespace
            .enter("unshare")
            .args(["--mount", "--propagation", "private", "sleep", "infinity"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the namespace holder")?;
        self.record("namespace", holder.id())?;
        // `nsenter` and `unshare` become the holder by exec: wait until it is asleep in its own namespace.
        let own = std::fs::read_link("/proc/self/ns/mnt").context("read the mount namespace")?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let its =
                std::fs::read_link(format!("/proc/{}/ns/mnt", holder.id())).unwrap_or_default();
            let name =
                std::fs::read_to_string(format!("/proc/{}/comm", holder.id())).unwrap_or_default();
            if its != own && name.trim() == "sleep" {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "the namespace holder did not start"
            );
            pause();
        }
        for (sub, target) in PRIVATE {
            let from = self.dir.join(sub);
            run(self.enter("mount").args(["--bind"]).arg(from).arg(target))?;
        }
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let usable = cpuinfo.split_whitespace().any(|f| f == "vmx" || f == "svm");
        if Path::new("/dev/kvm").exists() && !usable {
            let hidden = self.dir.join("no-kvm");
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o0);
            std::fs::set_permissions(&hidden, permissions).context("hide /dev/kvm")?;
            run(self
                .enter("mount")
                .args(["--bind"])
                .arg(hidden)
                .arg("/dev/kvm"))?;
        }
        Ok(())
    }

    pub fn enter(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let holder = self
            .processes
            .iter()
            .find(|p| p.what == "namespace")
            .map_or(0, |p| p.pid);
        let mut enter = command("nsenter");
        enter
            .arg(self.namespace.option())
            .arg(format!("--mount=/proc/{holder}/ns/mnt"))
            .arg(format!(
                "--wdns={}",
                std::env::current_dir().unwrap_or_default().display()
            ))
            .arg("--")
            .arg(program);
        enter
    }

    fn daemon(&mut self, name: &str) -> anyhow::Result<()> {
        let pid_file = format!("/run/libvirt/{name}-testbed.pid");
        let inside = self.dir.join("run").join(format!("{name}-testbed.pid"));
        std::fs::remove_file(&inside).ok();
        run(self.enter(name).args(["-d", "-p", &pid_file]))?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let pid = std::fs::read_to_string(&inside)
                .ok()
                .and_then(|t| t.trim().parse().ok());
            if let Some(pid) = pid {
                return self.record(name, pid);
            }
            ensure!(
                Instant::now() < deadline,
                "{name} wrote no pid file within {} s",
                START_DEADLINE.as_secs()
            );
            pause();
        }
    }

    fn wait_for_libvirt(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let asked = self
                .enter("timeout")
                .args([
                    "--kill-after=2",
                    "10",
                    "virsh",
                    "--quiet",
                    "--connect",
                    "qemu:///system",
                    "version",
                ])
                .output();
            match asked {
                Ok(output) if output.status.success() => return Ok(()),
                Ok(output) if Instant::now() > deadline => {
                    bail!(
                        "libvirtd does not answer: {}",
                        String::from_utf8_lossy(&output.stderr).trim()
                    )
                }
                Ok(_) => pause(),
                Err(error) => return Err(error).context("start virsh"),
            }
        }
    }

    fn record(&mut self, what: &str, pid: u32) -> anyhow::Result<()> {
        let since = start_time(pid).with_context(|| format!("{what} ended at once"))?;
        self.processes.push(Started {
            what: what.to_owned(),
            pid,
            since,
        });
        std::fs::write(self.dir.join(RECORD), serde_json::to_vec(&self.processes)?)
            .context("record a process")
    }

    /// Runs a command inside; its exit status.
    pub fn run(&self, program: &str, arguments: &[String]) -> anyhow::Result<ExitStatus> {
        let terminated = Arc::new(AtomicBool::new(false));
        let interrupted = Arc::new(AtomicBool::new(false));
        // With a handler this process stays until the command has cleaned up. A terminal interrupts the command itself.
        signal_hook::flag::register(SIGINT, interrupted).context("watch signals")?;
        // One that is ignored, as `nohup` has it, stays ignored.
        let hang_up = (!is_hang_up_ignored()).then_some(SIGHUP);
        for signal in [Some(SIGTERM), hang_up].into_iter().flatten() {
            signal_hook::flag::register(signal, Arc::clone(&terminated))
                .context("watch signals")?;
        }
        let mut child = self
            .enter(program)
            .args(arguments)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        loop {
            if let Some(status) = child
                .try_wait()
                .with_context(|| format!("wait for {program}"))?
            {
                return Ok(status);
            }
            if terminated.swap(false, Ordering::Relaxed)
                && let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed())
            {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
            }
            pause();
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        let ended = end_guests(&self.dir);
        if ended > 0 {
            let text = format!(
                "testbed: {ended} machines ended with it; `continuum-ctl up NAME` in another one makes them anew, `down NAME` \
                 removes their disks"
            );
            writeln!(std::io::stderr(), "{text}").ok();
        }
        end_recorded(&self.dir);
        for controller in ["cpu", "cpuacct", "blkio", "unified"] {
            std::fs::remove_dir(Path::new("/sys/fs/cgroup").join(controller).join("machine")).ok();
        }
    }
}

/// Ends the processes that are written down, the last first.
fn end_recorded(dir: &Path) {
    let path = dir.join(RECORD);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let left: Vec<Started> = serde_json::from_str(&text).unwrap_or_default();
    for process in left.iter().rev() {
        end(process.pid, process.since, Duration::from_secs(10));
    }
    std::fs::remove_file(path).ok();
}

/// QEMU processes write their pids below `run`, which only this libvirt uses. Returns how many there were.
fn end_guests(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir.join("run/qemu")) else {
        return 0;
    };
    let mut ended = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "pid") {
            continue;
        }
        let pid = std::fs::read_to_string(&path)
            .ok()
            .and_then(|t| t.trim().parse().ok());
        let Some(pid) = pid else { continue };
        // A pid file outlives a reboot, and its number may be anybody's then.
        if lives_in(pid, NAMESPACE)
            && let Some(started) = start_time(pid)
        {
            end(pid, started, Duration::from_secs(5));
            ended += 1;
        }
        std::fs::remove_file(path).ok();
    }
    ended
}
