//! What helps where libvirt cannot be reached: not the same on every host.

use std::path::Path;

/// What there is on this host of what starts a libvirt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    has_daemon: bool,
    has_systemd: bool,
}

impl Host {
    pub(super) fn look() -> Self {
        let daemons = ["/usr/sbin/libvirtd", "/usr/sbin/virtqemud"];
        Self {
            has_daemon: daemons.iter().any(|path| Path::new(path).exists()),
            // As sd_booted(3) tells it.
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        }
    }

    /// What to type after such a message of libvirt.
    pub(super) fn advice(self, message: &str) -> String {
        let other = "machines without libvirt: --set infrastructure.provider=uml";
        let is_forbidden = ["Permission denied", "authentication"]
            .iter()
            .any(|word| message.contains(word));
        if is_forbidden {
            format!(
                "run this as root, or let your user in (usermod -aG libvirt $USER, and log in again); {other}"
            )
        } else if !self.has_daemon {
            format!("install it (apt-get install libvirt-daemon-system qemu-system-x86); {other}")
        } else if self.has_systemd {
            format!("start the daemon (systemctl start libvirtd); {other}")
        } else {
            format!(
                "no systemd runs here that would start it: start one (libvirtd --daemon, and virtlogd --daemon), or put \
                 `target/debug/testbed` before the command, which brings a libvirt of its own; {other}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_for_this_host_and_this_message() {
        let advice = |has_daemon, has_systemd, message| {
            let host = Host {
                has_daemon,
                has_systemd,
            };
            host.advice(message)
        };
        let refused = "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory";
        let denied =
            "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied";
        for (has_daemon, has_systemd, message, wanted) in [
            (true, true, refused, "systemctl start libvirtd"),
            (true, false, refused, "target/debug/testbed"),
            (false, false, refused, "apt-get install libvirt-daemon"),
            (true, true, denied, "usermod -aG libvirt"),
        ] {
            let text = advice(has_daemon, has_systemd, message);
            assert!(text.contains(wanted), "{text}");
            assert!(text.contains("infrastructure.provider=uml"), "{text}");
        }
        let text = advice(true, false, refused);
        assert!(!text.contains("systemctl"), "{text}");
    }
}
