//! Guests of a deployment: directories, supervisors, and finding what belongs to whom.

use super::{
    console,
    control_groups::ControlGroups,
    sandbox::{GuestSpec, SEED_FILE},
    supervisor::{ProcessId, SPEC_FILE, STATUS_FILE, Status},
};
use crate::error::ProviderError;
use continuum_common::wait::Patience;
use continuum_host::{
    error::Error,
    process,
    state::{Deployment, ResourceKind, StateRoot, write_secret},
};
use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// From a supervisor's start to its guest's.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// For processes to be gone after SIGKILL.
const END_DEADLINE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
pub const COMMAND: &str = "guest";
const DISKS: &str = "disk";

/// Directory of all guests of a state directory.
pub(super) fn directory(root: &StateRoot) -> PathBuf {
    root.guests()
}

/// Name of a guest: of its directory and its control groups.
pub(super) fn name(id: &str, node: &str) -> String {
    format!("ct-{id}-{node}")
}

/// Reads a file that may not be there, or not be whole.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The processes of a guest that runs.
pub(super) fn running(dir: &Path) -> Option<(ProcessId, ProcessId)> {
    match read_json(&dir.join(STATUS_FILE))? {
        Status::Running { supervisor, guest } if supervisor.is_alive() && guest.is_alive() => {
            Some((supervisor, guest))
        }
        _ => None,
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(Error::file("create", path))
}

/// Gives a file to the guest's user, if that is another one.
fn give(path: &Path, user: Option<u32>) -> Result<(), Error> {
    std::os::unix::fs::chown(path, user, user).map_err(Error::file("change the owner of", path))
}

/// Starts a guest that does not run. Its disk stays what it was, its seed is written anew.
pub(super) async fn start(
    root: &StateRoot,
    spec: &GuestSpec,
    seed: &[u8],
    deployment: &mut Deployment,
) -> Result<(), Error> {
    let name = name(&deployment.id(), &spec.node);
    let dir = directory(root).join(&name);
    // What a killed command left half started.
    end_all(&supervisors_of(&dir)).await?;
    deployment.intend(ResourceKind::Guest, &name)?;
    make_dir(&directory(root), 0o711)?;
    make_dir(&dir, 0o711)?;
    std::fs::remove_file(dir.join(STATUS_FILE)).ok();
    // First, so that whoever finds the directory without any state knows whose it is.
    let text = serde_json::to_vec_pretty(spec).map_err(Error::encode("a guest's description"))?;
    write_secret(&dir.join(SPEC_FILE), &text)?;
    let disks = dir.join(DISKS);
    make_dir(&disks, 0o700)?;
    give(&disks, spec.user)?;
    let seed_path = disks.join(SEED_FILE);
    write_secret(&seed_path, seed)?;
    give(&seed_path, spec.user)?;
    let program = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    // Its end is told by the file that it writes; nobody waits for its process.
    process::command(&program)
        .args([OsStr::new(COMMAND), dir.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::file("start", &program))?;
    let (supervisor, guest) = wait_for_start(&dir, &spec.node).await?;
    let number = |id: ProcessId| (id.pid.to_string(), id.started.to_string());
    let ((pid, started), (guest_pid, guest_started)) = (number(supervisor), number(guest));
    deployment.confirm(
        ResourceKind::Guest,
        &name,
        &[
            ("node", spec.node.clone()),
            ("pid", pid),
            ("started", started),
            ("guest_pid", guest_pid),
            ("guest_started", guest_started),
        ],
    )
}

async fn wait_for_start(dir: &Path, node: &str) -> Result<(ProcessId, ProcessId), Error> {
    let path = dir.join(STATUS_FILE);
    let mut patience = Patience::new(START_DEADLINE, LOOK);
    loop {
        match read_json(&path) {
            Some(Status::Running { supervisor, guest }) => return Ok((supervisor, guest)),
            Some(Status::Failed { why }) => {
                let node = node.to_owned();
                return Err(ProviderError::Guest { node, why }.into());
            }
            None => patience.again(()).await.map_err(|()| Error::Deadline {
                what: format!("the supervisor of node {node} to start its guest"),
                after: START_DEADLINE,
                last: console::read(dir).map_or_else(String::new, |text| crate::last_lines(&text)),
            })?,
        }
    }
}

/// Whether a command line is that of a supervisor, and its guest's directory is, or lies below, this one.
fn supervises_below(command: &[u8], dir: &Path) -> bool {
    let arguments: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    matches!(arguments.as_slice(), [_, kind, of, ..]
        if *kind == COMMAND.as_bytes() && Path::new(OsStr::from_bytes(of)).starts_with(dir))
}

/// Supervisors of the guests below a directory, by their command lines: also those that nobody wrote down.
fn supervisors_of(dir: &Path) -> Vec<ProcessId> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let supervisor = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        supervises_below(&command, dir).then(|| ProcessId::of(pid))?
    };
    entries.flatten().filter_map(supervisor).collect()
}

/// Ends processes and waits until they are gone.
pub(super) async fn end_all(processes: &[ProcessId]) -> Result<(), Error> {
    for process in processes {
        process::signal(process.pid, process.started, rustix::process::Signal::KILL);
    }
    for process in processes {
        if !process::ends(process.pid, process.started, END_DEADLINE).await {
            let (what, pid) = ("guest", process.pid);
            return Err(ProviderError::Survivor { what, pid }.into());
        }
    }
    Ok(())
}

/// Ends the guest of a directory, and removes what it had. True if there was anything.
pub(super) async fn remove(groups: &ControlGroups, dir: &Path) -> Result<bool, Error> {
    let mut processes = supervisors_of(dir);
    if let Some(Status::Running { supervisor, guest }) = read_json(&dir.join(STATUS_FILE)) {
        processes.extend([supervisor, guest]);
    }
    end_all(&processes).await?;
    if let Some(name) = dir.file_name() {
        groups.remove(&name.to_string_lossy());
    }
    if !dir.exists() {
        return Ok(false);
    }
    std::fs::remove_dir_all(dir).map_err(Error::file("remove", dir))?;
    Ok(true)
}

/// Directories of guests of a deployment, whether it is recorded or not.
pub(super) fn directories_of(
    root: &StateRoot,
    ours: &dyn Fn(&GuestSpec) -> bool,
) -> Result<Vec<PathBuf>, Error> {
    let all = directory(root);
    if !all.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&all).map_err(Error::file("list", &all))? {
        let dir = entry.map_err(Error::file("list", &all))?.path();
        if read_json::<GuestSpec>(&dir.join(SPEC_FILE)).is_some_and(|spec| ours(&spec)) {
            found.push(dir);
        }
    }
    found.sort();
    Ok(found)
}

/// What guests of this state directory that run are made of.
pub(super) fn running_specs(root: &StateRoot) -> impl Iterator<Item = GuestSpec> {
    let dirs = directories_of(root, &|_| true).unwrap_or_default();
    let running = dirs.into_iter().filter(|dir| running(dir).is_some());
    running.filter_map(|dir| read_json(&dir.join(SPEC_FILE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_supervisors_of_that_very_directory() {
        let command = b"/x/continuum-ctl\0guest\0/srv/st/guests/ct-1-edge0\0";
        let is_of = |dir: &str| supervises_below(command, Path::new(dir));
        assert!(is_of("/srv/st/guests"));
        assert!(is_of("/srv/st/guests/ct-1-edge0"));
        for other in [
            "/st/guests",
            "/srv/st/guests/ct-1-edge",
            "/srv/st/guests/ct-1-edge01",
        ] {
            assert!(!is_of(other), "{other}");
        }
        let other = b"less\0/srv/st/guests/ct-1-edge0/console.log\0";
        assert!(!supervises_below(other, Path::new("/srv/st/guests")));
    }

    #[tokio::test]
    async fn a_process_whose_number_was_given_to_another_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let guest = dir.path().join("ct-1-edge0");
        std::fs::create_dir(&guest).unwrap();
        let own = ProcessId::of(std::process::id()).unwrap();
        let reused = ProcessId {
            started: own.started + 1,
            ..own
        };
        let status = Status::Running {
            supervisor: reused,
            guest: reused,
        };
        std::fs::write(
            guest.join(STATUS_FILE),
            serde_json::to_vec(&status).unwrap(),
        )
        .unwrap();
        assert_eq!(running(&guest), None);
        // Were it ended, this test would be.
        assert!(remove(&ControlGroups::default(), &guest).await.unwrap());
        assert!(own.is_alive() && !guest.exists());
        assert!(!remove(&ControlGroups::default(), &guest).await.unwrap());
    }

    #[test]
    fn guests_are_found_by_what_their_directories_say() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path()).unwrap();
        assert!(directories_of(&root, &|_| true).unwrap().is_empty());
        let guest = directory(&root).join("ct-1-edge0");
        std::fs::create_dir_all(&guest).unwrap();
        assert!(
            directories_of(&root, &|_| true).unwrap().is_empty(),
            "one without a description"
        );
        let spec = serde_json::json!({
            "uuid": uuid::Uuid::nil(), "deployment": "lab", "node": "edge0", "kernel": "/k", "kernel_file": "linux",
            "base": "/b", "memory_mib": 512, "cores": 1, "mac": "", "bridge": "ct1", "interface": "ct1-0",
            "user": null, "control_groups": []
        });
        std::fs::write(guest.join(SPEC_FILE), spec.to_string()).unwrap();
        assert_eq!(
            directories_of(&root, &|s| s.deployment == "lab").unwrap(),
            [guest]
        );
        assert!(
            directories_of(&root, &|s| s.deployment == "other")
                .unwrap()
                .is_empty()
        );
        // It does not run, so it promises nothing.
        assert_eq!(running_specs(&root).count(), 0);
    }
}
