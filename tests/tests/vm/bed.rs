//! Where the tests of this program happen: one testbed, one state directory.

use anyhow::{Context, ensure};
use continuum_tests::{ctl::Ctl, testbed::Testbed};
use std::{path::PathBuf, time::Duration};

pub(crate) const BOOT: Duration = Duration::from_mins(6);

pub(crate) struct Bed {
    testbed: Testbed,
    pub(crate) dir: PathBuf,
}

impl Bed {
    pub(crate) fn start() -> anyhow::Result<Self> {
        // QEMU's user must reach it.
        let dir = PathBuf::from("/var/lib/continuum-vm-tests");
        std::fs::remove_dir_all(&dir).ok();
        std::fs::create_dir_all(&dir).context("create the tests' directory")?;
        let testbed = Testbed::start()?;
        Ok(Self { testbed, dir })
    }

    pub(crate) fn ctl(&self) -> Ctl {
        Ctl::new(self.dir.join("state")).through(&self.testbed.enter("env"))
    }

    pub(crate) fn results(&self, name: &str) -> (PathBuf, String) {
        let path = self.dir.join(name);
        let text = path.display().to_string();
        (path, text)
    }

    pub(crate) fn inside(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.testbed.enter(program).args(arguments).output()?;
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

    /// No domain, network, bridge, tap, volume or QEMU of any deployment is left.
    pub(crate) fn check_nothing_left(&self) -> anyhow::Result<()> {
        let domains = self.virsh(&["list", "--all", "--name"])?;
        let networks = self.virsh(&["net-list", "--all", "--name"])?;
        let links = self.inside("ip", &["-brief", "link"])?;
        let links: Vec<&str> = links.lines().filter(|l| l.starts_with("ct")).collect();
        let volumes: Vec<String> = std::fs::read_dir(self.dir.join("state/pool"))?
            .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
            .filter(|n| n.starts_with("ct-"))
            .collect();
        let deployments = std::fs::read_dir(self.dir.join("state/deployments"))?.count();
        let guests = processes_with("ct-");
        ensure!(
            domains.trim().is_empty()
                && networks.trim().is_empty()
                && links.is_empty()
                && volumes.is_empty()
                && deployments == 0
                && guests.is_empty(),
            "left: {domains} {networks} {links:?} {volumes:?} {deployments} {guests:?}"
        );
        Ok(())
    }
}

/// Guests with such a name that run.
fn processes_with(name: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|e| std::fs::read(e.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains("qemu-system") && line.contains(&format!("guest={name}")))
        .collect()
}

pub(crate) fn median(mut values: Vec<f64>) -> anyhow::Result<f64> {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .context("nothing measured")
}

/// Milliseconds in ping's output.
pub(crate) fn ping_times(text: &str) -> Vec<f64> {
    text.lines()
        .filter_map(|l| l.split_once("time=")?.1.split(' ').next()?.parse().ok())
        .collect()
}
