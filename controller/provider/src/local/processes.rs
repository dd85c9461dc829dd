//! Agents as processes of this machine: found by their command lines, ended side by side.

use crate::error::ProviderError;
use continuum_host::{error::Error, process};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path, time::Duration};

/// For an agent to end by itself, with its children.
const STOP_DEADLINE: Duration = Duration::from_secs(8);
const KILL_DEADLINE: Duration = Duration::from_secs(2);

/// Whether a command line is `… serve --config FILE`, and FILE lies below a directory.
fn serves_below(command: &[u8], dir: &Path) -> bool {
    let arguments: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    arguments.windows(3).any(|three| {
        let [serve, config, file] = three else {
            return false;
        };
        *serve == b"serve"
            && *config == b"--config"
            && Path::new(OsStr::from_bytes(file)).starts_with(dir)
    })
}

/// Agents of a deployment by their command lines; the state directory's name is absolute and without links.
pub(super) fn find_agents(dir: &Path) -> Vec<(u32, u64)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            serves_below(&command, dir).then(|| Some((pid, process::start_time(pid)?)))?
        })
        .collect()
}

pub(super) async fn end(pid: u32, started: u64) {
    use rustix::process::Signal;
    for (signal, within) in [(Signal::TERM, STOP_DEADLINE), (Signal::KILL, KILL_DEADLINE)] {
        process::signal(pid, started, signal);
        if process::ends(pid, started, within).await {
            return;
        }
    }
}

/// Ends agents side by side; one that does not go is an error.
pub(super) async fn end_all(agents: &[(u32, u64)]) -> Result<Vec<String>, Error> {
    let ends = agents.iter().map(|(pid, started)| end(*pid, *started));
    futures_util::future::join_all(ends).await;
    let mut ended = Vec::new();
    for (pid, started) in agents {
        if process::is_alive(*pid, *started) {
            let (what, pid) = ("agent", *pid);
            return Err(ProviderError::Survivor { what, pid }.into());
        }
        ended.push(format!("agent process {pid}"));
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agents_of_that_very_directory() {
        let command = b"/x/continuum-agent\0serve\0--config\0/srv/st/deployments/lab/nodes/edge0/agent.toml\0";
        let is_of = |dir: &str| serves_below(command, Path::new(dir));
        assert!(is_of("/srv/st/deployments/lab/nodes"));
        assert!(is_of("/srv/st/deployments/lab/nodes/edge0"));
        for other in [
            "/st/deployments/lab/nodes",
            "/srv/st/deployments/la",
            "/srv/st/deployments/lab/nodes/edge",
        ] {
            assert!(!is_of(other), "{other}");
        }
        let other = b"cat\0/srv/st/deployments/lab/nodes/edge0/agent.toml\0";
        assert!(!serves_below(
            other,
            Path::new("/srv/st/deployments/lab/nodes")
        ));
    }
}
