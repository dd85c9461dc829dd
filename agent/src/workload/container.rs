//! Runs in containers without a cluster: one trait, a line per runtime. The container's control group lies below that of
//! the run, so limits and use are those of the run, whatever the runtime makes of them.

use crate::error::AgentError;
use std::{collections::BTreeMap, path::Path};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Container {
    /// `containerd` or `docker`.
    pub runtime: String,
    /// Image, by its full name.
    pub image: String,
    /// The whole command; empty = what the image says.
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// Where a run leaves its files, in its container.
const OUT_DIR: &str = "/out";

/// What a runtime needs to know beside the container itself.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Name of the container.
    pub(super) id: &'a str,
    pub(super) out: &'a Path,
    /// Files that were sent to the node, read-only at the same path.
    pub(super) files: &'a Path,
    /// Control group that its own goes below, from the root of the hierarchy.
    pub(super) cgroup: Option<&'a str>,
}

trait Runtime: Sync {
    /// As in configs.
    fn name(&self) -> &'static str;
    /// The program that starts the container, shows what it says, and ends with it.
    fn argv(&self, container: &Container, place: &Place<'_>) -> Vec<String>;
}

/// Every runtime; the only place that names them.
const RUNTIMES: &[&dyn Runtime] = &[&Containerd, &Docker];

/// The command of a container's client.
pub(super) fn argv(container: &Container, place: &Place<'_>) -> Result<Vec<String>, AgentError> {
    let runtime = RUNTIMES.iter().find(|r| r.name() == container.runtime);
    let runtime = runtime.ok_or_else(|| AgentError::NotFound {
        what: "container runtime",
        name: container.runtime.clone(),
        known: RUNTIMES.iter().map(|r| r.name().to_owned()).collect(),
    })?;
    Ok(runtime.argv(container, place))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

struct Containerd;

impl Runtime for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn argv(&self, container: &Container, place: &Place<'_>) -> Vec<String> {
        let mut argv = words(&["ctr", "--namespace=k8s.io", "run", "--rm", "--net-host"]);
        if let Some(cgroup) = place.cgroup {
            argv.push(format!("--cgroup={cgroup}/container"));
        }
        let mount = |from: &Path, to: &str, how: &str| {
            format!(
                "--mount=type=bind,src={},dst={to},options=rbind:{how}",
                from.display()
            )
        };
        argv.push(mount(place.out, OUT_DIR, "rw"));
        argv.push(mount(place.files, &place.files.display().to_string(), "ro"));
        argv.extend(container.env.iter().map(|(k, v)| format!("--env={k}={v}")));
        argv.extend([container.image.clone(), place.id.to_owned()]);
        argv.extend(container.command.iter().cloned());
        argv
    }
}

struct Docker;

impl Runtime for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn argv(&self, container: &Container, place: &Place<'_>) -> Vec<String> {
        let mut argv = words(&["docker", "run", "--rm", "--network=host", "--pull=missing"]);
        argv.push(format!("--name={}", place.id));
        if let Some(cgroup) = place.cgroup {
            argv.push(format!("--cgroup-parent={cgroup}"));
        }
        argv.push(format!("--volume={}:{OUT_DIR}", place.out.display()));
        let files = place.files.display();
        argv.push(format!("--volume={files}:{files}:ro"));
        argv.extend(container.env.iter().map(|(k, v)| format!("--env={k}={v}")));
        // Docker adds arguments to an image's entrypoint; the command here is a whole one.
        let mut command = container.command.iter();
        if let Some(program) = command.next() {
            argv.push(format!("--entrypoint={program}"));
        }
        argv.push(container.image.clone());
        argv.extend(command.cloned());
        argv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(runtime: &str) -> Container {
        Container {
            runtime: runtime.into(),
            image: "local/tool:1".into(),
            command: words(&["/bin/tool", "a b", "$(id)"]),
            env: BTreeMap::from([("NODE".into(), "endpoint0".into())]),
        }
    }

    fn argv_of(runtime: &str) -> Result<Vec<String>, AgentError> {
        let place = Place {
            id: "run-1",
            out: Path::new("/data/runs/run-1/out"),
            files: Path::new("/data/files"),
            cgroup: Some("/system.slice/agent.service/run-1"),
        };
        argv(&container(runtime), &place)
    }

    #[test]
    fn the_command_is_whole_and_its_group_is_below_that_of_the_run() {
        let ctr = argv_of("containerd").unwrap();
        assert!(ctr.contains(&"--cgroup=/system.slice/agent.service/run-1/container".to_owned()));
        assert_eq!(
            ctr[ctr.len() - 5..],
            ["local/tool:1", "run-1", "/bin/tool", "a b", "$(id)"]
        );
        let docker = argv_of("docker").unwrap();
        assert!(docker.contains(&"--cgroup-parent=/system.slice/agent.service/run-1".to_owned()));
        assert_eq!(
            docker[docker.len() - 4..],
            ["--entrypoint=/bin/tool", "local/tool:1", "a b", "$(id)"]
        );
        let error = argv_of("podman").unwrap_err().to_string();
        assert!(error.contains("containerd, docker"), "{error}");
    }
}
