//! How a guest's kernel is started: as which user, in which view of the file system, with which arguments. Pure.
//!
//! User Mode Linux is no security border: whoever is root in a guest can reach the rights of the process that the guest
//! is. So that process has next to none: an own user where we are root, no capabilities but one over a network
//! namespace of its own, nothing of the host's files but the kernel, the base disk (read-only) and its two disks.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where things lie in the guest process's view.
const KERNEL: &str = "/linux";
/// Not in the root directory: from there the kernel cannot tell the path that it notes in the overlay.
const BASE: &str = "/base/disk.raw";
const DISKS: &str = "/disk";
/// Memory of the guest is a file in a memory file system here.
const MEMORY: &str = "/memory";
/// Of the network device, in the guest process's network namespace.
pub(super) const DEVICE: &str = "vec";
const LOADER: &str = "ld-linux-x86-64.so.2";
/// Beyond the guest's memory in the file system that holds it: the kernel's own table of it.
const MEMORY_SLACK_MIB: u64 = 16;

/// Names of a guest's disks in its directory.
pub(super) const OVERLAY_FILE: &str = "overlay.cow";
pub(super) const SEED_FILE: &str = "seed.img";

/// What a guest is made of; `spec.json` in its directory, from which its supervisor starts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GuestSpec {
    pub(super) uuid: uuid::Uuid,
    pub(super) deployment: String,
    pub(super) node: String,
    /// Directory of the kernel, its loader and libraries.
    pub(super) kernel: PathBuf,
    /// The kernel's file there.
    pub(super) kernel_file: String,
    pub(super) base: PathBuf,
    pub(super) memory_mib: u64,
    pub(super) cores: u32,
    /// The host's processor that it stays on.
    #[serde(default)]
    pub(super) processor: Option<u32>,
    /// Share of it that the guest may take.
    #[serde(default = "whole")]
    pub(super) quota: f64,
    pub(super) mac: String,
    /// Bridge that the guest is attached to.
    pub(super) bridge: String,
    /// The host's end of its network device.
    pub(super) interface: String,
    /// Who the guest process is; `None` = whoever starts it.
    pub(super) user: Option<u32>,
    /// Files that the supervisor writes its process number to, to be limited with all that it starts.
    pub(super) control_groups: Vec<PathBuf>,
}

fn whole() -> f64 {
    1.0
}

/// Descriptors of the supervisor that the sandbox inherits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptors {
    /// Says which process the guest is.
    pub(super) info: i32,
    /// The guest waits for a byte there: until then its network device is made.
    pub(super) block: i32,
}

impl GuestSpec {
    /// Program and arguments that start the guest.
    pub(super) fn argv(&self, dir: &Path, descriptors: Descriptors) -> Vec<String> {
        let mut argv = self.unprivileged();
        argv.extend(self.sandbox(Some(&dir.join("disk")), Some(descriptors)));
        argv.push(KERNEL.to_owned());
        argv.extend(self.kernel_arguments());
        argv
    }

    /// The same sandbox without disks, in which the kernel only says its version: whether guests can run at all.
    pub(super) fn probe_argv(&self) -> Vec<String> {
        let mut argv = self.unprivileged();
        argv.extend(self.sandbox(None, None));
        argv.extend([KERNEL.to_owned(), "--version".to_owned()]);
        argv
    }

    /// Becomes the guest's user without anything that a parent may have left it.
    fn unprivileged(&self) -> Vec<String> {
        let mut argv: Vec<String> = [
            "setpriv",
            "--no-new-privs",
            "--ambient-caps=-all",
            "--inh-caps=-all",
        ]
        .map(str::to_owned)
        .into();
        if let Some(user) = self.user {
            argv.extend([
                format!("--reuid={user}"),
                format!("--regid={user}"),
                "--clear-groups".to_owned(),
            ]);
        }
        argv.push("--".to_owned());
        argv
    }

    fn sandbox(&self, disks: Option<&Path>, descriptors: Option<Descriptors>) -> Vec<String> {
        let mut argv: Vec<String> = [
            "bwrap",
            "--unshare-user",
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            // One user number in there, the guest's own: another one would take a second user namespace, in which its
            // capability would be worth nothing.
            "--uid",
            "0",
            "--gid",
            "0",
            "--cap-drop",
            "ALL",
            "--cap-add",
            "CAP_NET_RAW",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--perms",
            "0700",
            "--size",
        ]
        .map(str::to_owned)
        .into();
        argv.push(((self.memory_mib + MEMORY_SLACK_MIB) << 20).to_string());
        argv.extend(
            [
                "--tmpfs", MEMORY, "--setenv", "TMPDIR", MEMORY, "--setenv", "HOME", MEMORY,
            ]
            .map(str::to_owned),
        );
        let mut bind = |how: &str, from: PathBuf, to: &str| {
            argv.extend([how.to_owned(), from.display().to_string(), to.to_owned()]);
        };
        bind("--ro-bind", self.kernel.join(&self.kernel_file), KERNEL);
        bind(
            "--ro-bind",
            self.kernel.join("lib"),
            "/lib/x86_64-linux-gnu",
        );
        bind(
            "--ro-bind",
            self.kernel.join("lib").join(LOADER),
            &format!("/lib64/{LOADER}"),
        );
        bind("--ro-bind", self.base.clone(), BASE);
        if let Some(disks) = disks {
            bind("--bind", disks.to_owned(), DISKS);
        }
        if let Some(Descriptors { info, block }) = descriptors {
            argv.extend(["--info-fd".to_owned(), info.to_string()]);
            argv.extend(["--block-fd".to_owned(), block.to_string()]);
        }
        argv.push("--".to_owned());
        argv
    }

    fn kernel_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("ubd0={DISKS}/{OVERLAY_FILE},{BASE}"),
            format!("ubd1r={DISKS}/{SEED_FILE}"),
            format!("mem={}M", self.memory_mib),
            format!(
                "vec0:transport=raw,ifname={DEVICE},depth=128,mtu=1500,mac={}",
                self.mac
            ),
            format!("uml_dir={MEMORY}"),
            format!("umid={}", self.node),
        ];
        if self.cores > 1 {
            arguments.push(format!("ncpus={}", self.cores));
        }
        arguments.extend(
            [
                "root=/dev/ubda",
                "rootfstype=ext4",
                "rw",
                // One console, written to standard output.
                "con=null",
                "con0=null,fd:1",
                "ssl=null",
                // Without it a system call of a guest's program costs a stop by ptrace.
                "seccomp=auto",
                "net.ifnames=0",
                "quiet",
                "loglevel=3",
                "systemd.show_status=0",
                "panic=5",
            ]
            .map(str::to_owned),
        );
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(user: Option<u32>) -> GuestSpec {
        GuestSpec {
            uuid: uuid::Uuid::nil(),
            deployment: "lab".into(),
            node: "edge0".into(),
            kernel: "/state/uml/kernel-k".into(),
            kernel_file: "linux".into(),
            base: "/state/uml/base-b/disk.raw".into(),
            memory_mib: 512,
            cores: 1,
            processor: None,
            quota: 1.0,
            mac: "52:54:00:00:00:01".into(),
            bridge: "ct1".into(),
            interface: "ct1-0".into(),
            user,
            control_groups: Vec::new(),
        }
    }

    fn text(user: Option<u32>) -> String {
        let descriptors = Descriptors { info: 5, block: 6 };
        spec(user)
            .argv(Path::new("/state/guests/g"), descriptors)
            .join(" ")
    }

    #[test]
    fn as_root_a_guest_is_a_user_of_its_own() {
        let text = text(Some(1_900_000_001));
        assert!(
            text.starts_with("setpriv --no-new-privs --ambient-caps=-all --inh-caps=-all --reuid=1900000001 --regid=1900000001 --clear-groups -- bwrap "),
            "{text}"
        );
    }

    #[test]
    fn an_ordinary_user_stays_who_it_is() {
        let text = text(None);
        assert!(!text.contains("--reuid"), "{text}");
        assert!(text.contains("--ambient-caps=-all"), "{text}");
    }

    #[test]
    fn a_guest_sees_its_own_files_and_no_others() {
        let argv = spec(None).argv(
            Path::new("/state/guests/g"),
            Descriptors { info: 5, block: 6 },
        );
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for three in argv.windows(3) {
            let [how, from, _] = three else { continue };
            if how == "--bind" || how == "--ro-bind" {
                seen.push((how, from));
            }
        }
        assert_eq!(
            seen,
            [
                ("--ro-bind", "/state/uml/kernel-k/linux"),
                ("--ro-bind", "/state/uml/kernel-k/lib"),
                ("--ro-bind", "/state/uml/kernel-k/lib/ld-linux-x86-64.so.2"),
                ("--ro-bind", "/state/uml/base-b/disk.raw"),
                ("--bind", "/state/guests/g/disk"),
            ]
        );
    }

    #[test]
    fn a_probe_has_no_disks_and_waits_for_nobody() {
        let text = spec(None).probe_argv().join(" ");
        assert!(text.ends_with("-- /linux --version"), "{text}");
        assert!(
            !text.contains("--block-fd") && !text.contains("/disk "),
            "{text}"
        );
    }
}
