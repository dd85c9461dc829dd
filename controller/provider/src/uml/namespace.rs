//! Of ordinary users: bridges and network devices can be made without root in a user and network namespace of one's
//! own. A small process holds it open for as long as the deployment lives; every command joins it before it does
//! anything else, since only a process without threads can.

use super::{guests, supervisor::ProcessId};
use crate::error::ProviderError;
use continuum_host::{
    error::Error,
    process,
    state::{StateRoot, write_secret},
};
use continuum_images::cache;
use rustix::{
    process::Pid,
    thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType},
};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

pub const COMMAND: &str = "hold-namespace";
const START_DEADLINE: Duration = Duration::from_secs(10);
const LOCK_DEADLINE: Duration = Duration::from_secs(20);
/// What programs that are started in there may do, to its network and to nothing else.
const RIGHTS: [CapabilitySet; 4] = [
    CapabilitySet::NET_ADMIN,
    CapabilitySet::NET_RAW,
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
];

/// Whether this user needs one.
pub fn is_needed() -> bool {
    !rustix::process::geteuid().is_root()
}

fn record(root: &StateRoot, name: &str) -> PathBuf {
    root.namespaces().join(format!("{name}.json"))
}

/// Whether a command line is that of the holder with this record.
fn holds(command: &[u8], record: &Path) -> bool {
    let arguments: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    arguments.windows(2).any(|two| {
        matches!(two, [kind, of] if *kind == COMMAND.as_bytes() && Path::new(OsStr::from_bytes(of)) == record)
    })
}

/// Holders of a record, written down or not.
fn holders(record: &Path) -> Vec<ProcessId> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let holder = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        holds(&command, record).then(|| ProcessId::of(pid))?
    };
    entries.flatten().filter_map(holder).collect()
}

fn recorded(record: &Path) -> Option<ProcessId> {
    let id: ProcessId = serde_json::from_slice(&std::fs::read(record).ok()?).ok()?;
    id.is_alive().then_some(id)
}

/// A process that lives in the deployment's namespace: its holder, or, should that have been killed, a supervisor.
fn inhabitant(root: &StateRoot, name: &str) -> Option<ProcessId> {
    recorded(&record(root, name)).or_else(|| {
        let dirs = guests::directories_of(root, &|spec| spec.deployment == name).ok()?;
        dirs.iter()
            .find_map(|dir| guests::running(dir))
            .map(|(supervisor, _)| supervisor)
    })
}

/// Enters the namespace of a deployment; makes it if `may_start`. False where none is needed, or there is none.
/// The process must have no other threads yet.
pub fn enter(root: &StateRoot, name: &str, may_start: bool) -> Result<bool, Error> {
    if !is_needed() {
        return Ok(false);
    }
    let path = record(root, name);
    let found = match inhabitant(root, name) {
        Some(found) => found,
        None if may_start => start(&path)?,
        None => return Ok(false),
    };
    join(found)?;
    Ok(true)
}

fn start(record: &Path) -> Result<ProcessId, Error> {
    let dir = record.parent().unwrap_or(record);
    std::fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    let lock_path = record.with_extension("lock");
    let lock = std::fs::File::create(&lock_path).map_err(Error::file("create", &lock_path))?;
    cache::wait_for_lock(&lock, &lock_path, LOCK_DEADLINE)?;
    if let Some(other) = recorded(record) {
        return Ok(other);
    }
    let program = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    let doing = "make a user and a network namespace";
    let hint = "this system must allow ordinary users to make user namespaces (see user.max_user_namespaces, \
                kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)";
    let mut child = process::blocking_command("unshare")
        .args(["--user", "--map-current-user", "--keep-caps", "--net", "--"])
        .args([program.as_os_str(), OsStr::new(COMMAND), record.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| ProviderError::NotStarted {
            doing: doing.to_owned(),
            error,
            packages: "util-linux",
        })?;
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        if let Some(id) = recorded(record) {
            return Ok(id);
        }
        let ended = child.try_wait().map_err(ProviderError::kernel(doing))?;
        if ended.is_some() {
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                std::io::Read::read_to_string(&mut errors, &mut said).ok();
            }
            let (doing, said) = (doing.to_owned(), format!("{}; {hint}", said.trim()));
            return Err(ProviderError::Program { doing, said }.into());
        }
        if Instant::now() > deadline {
            child.kill().ok();
            child.wait().ok();
            return Err(Error::Deadline {
                what: "the holder of a network namespace".into(),
                after: START_DEADLINE,
                last: hint.to_owned(),
            });
        }
        std::thread::yield_now();
    }
}

/// What the holder does: nothing, in its namespace, until it is ended.
pub fn hold(record: &Path) -> Result<(), Error> {
    rustix::process::setsid().ok();
    super::network::run_blocking(
        "make a network namespace",
        &["ip", "link", "set", "lo", "up"],
    )?;
    let own = ProcessId::of(std::process::id()).ok_or_else(|| ProviderError::NoProc {
        doing: "hold a network namespace".into(),
    })?;
    let text = serde_json::to_vec(&own).map_err(Error::encode("the holder of a namespace"))?;
    write_secret(record, &text)?;
    loop {
        std::thread::park();
    }
}

fn join(inhabitant: ProcessId) -> Result<(), Error> {
    let doing = "join the network namespace of the deployment";
    let failed = |e: rustix::io::Errno| ProviderError::kernel(doing)(e);
    let kinds = [
        ("user", LinkNameSpaceType::User),
        ("net", LinkNameSpaceType::Network),
    ];
    let files = kinds.map(|(name, kind)| {
        let path = format!("/proc/{}/ns/{name}", inhabitant.pid);
        std::fs::File::open(&path)
            .map_err(Error::file("open", path))
            .map(|file| (file, kind))
    });
    for opened in files {
        let (file, kind) = opened?;
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(kind))
            .map_err(failed)?;
    }
    // Who joins has every right in there; programs that it starts have only those that are handed on.
    let rights = RIGHTS
        .into_iter()
        .fold(CapabilitySet::empty(), |all, one| all | one);
    let have = rustix::thread::capabilities(None::<Pid>).map_err(failed)?;
    let sets = CapabilitySets {
        inheritable: rights,
        ..have
    };
    rustix::thread::set_capabilities(None::<Pid>, sets).map_err(failed)?;
    for right in RIGHTS {
        rustix::thread::configure_capability_in_ambient_set(right, true).map_err(failed)?;
    }
    Ok(())
}

/// Ends the holder of a deployment; its network goes with the last process in there.
pub async fn end(root: &StateRoot, name: &str) -> Result<Vec<String>, Error> {
    let path = record(root, name);
    let mut found = holders(&path);
    found.extend(recorded(&path).filter(|id| !found.contains(id)));
    guests::end_all(&found).await?;
    for file in [path.with_extension("lock"), path] {
        std::fs::remove_file(file).ok();
    }
    Ok(found
        .iter()
        .map(|id| format!("namespace holder {}", id.pid))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_known_by_its_record() {
        let command = b"/x/continuum-ctl\0hold-namespace\0/home/u/.local/state/continuum/namespaces/lab.json\0";
        let is_of = |path: &str| holds(command, Path::new(path));
        assert!(is_of("/home/u/.local/state/continuum/namespaces/lab.json"));
        assert!(!is_of("/home/u/.local/state/continuum/namespaces/la.json"));
        assert!(!holds(
            b"cat\0/home/u/x.json\0",
            Path::new("/home/u/x.json")
        ));
    }

    #[test]
    fn a_record_of_a_process_that_is_gone_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lab.json");
        let own = ProcessId::of(std::process::id()).unwrap();
        for (id, expected) in [
            (own, Some(own)),
            (
                ProcessId {
                    started: own.started + 1,
                    ..own
                },
                None,
            ),
        ] {
            std::fs::write(&path, serde_json::to_vec(&id).unwrap()).unwrap();
            assert_eq!(recorded(&path), expected);
        }
    }
}
