//! The process that a guest lives in: it starts the guest in its sandbox, gives it its network device, keeps what it
//! writes to its console, and ends with it. It outlives the command that started it, and ends the guest when it is
//! ended.
//!
//! Runs as `continuum-ctl guest DIRECTORY`, without threads.

use super::{
    console::Console,
    sandbox::{DEVICE, Descriptors, GuestSpec},
};
use crate::error::ProviderError;
use continuum_host::{error::Error, process, state::write_secret};
use rustix::{
    fd::AsFd,
    io::FdFlags,
    pipe::PipeFlags,
    process::{Resource, Rlimit},
    thread::CpuSet,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    process::{Child, Stdio},
};

/// In a guest's directory.
pub(super) const SPEC_FILE: &str = "spec.json";
pub(super) const STATUS_FILE: &str = "status.json";

/// How far a guest is; in its directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Running {
        supervisor: ProcessId,
        /// First process in the guest's sandbox.
        guest: ProcessId,
    },
    /// It could not be started.
    Failed { why: String },
}

/// A process, and when it was started: a number alone may be another's by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    /// Clock ticks after boot.
    pub(super) started: u64,
}

impl ProcessId {
    pub(super) fn of(pid: u32) -> Option<Self> {
        let started = process::start_time(pid)?;
        Some(Self { pid, started })
    }

    pub(super) fn is_alive(self) -> bool {
        process::is_alive(self.pid, self.started)
    }
}

/// What the sandbox says of itself.
#[derive(Debug, Deserialize)]
struct SandboxInfo {
    #[serde(rename = "child-pid")]
    child_pid: u32,
}

/// Starts the guest of a directory and stays until it ends.
pub fn supervise(dir: &Path) -> Result<(), Error> {
    // A session of its own: what ends a terminal does not end a guest. It fails only where that is so already.
    rustix::process::setsid().ok();
    // A kernel that panics aborts: its core would be all of the guest's memory.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none).ok();
    let started = start(dir);
    let status = match &started {
        Ok(guest) => &guest.status,
        Err(error) => &Status::Failed {
            why: continuum_host::error::chain(error),
        },
    };
    let path = dir.join(STATUS_FILE);
    let text = serde_json::to_vec(status).map_err(Error::encode("a guest's status"))?;
    write_secret(&path, &text)?;
    started?.watch(dir)
}

struct Guest {
    sandbox: Child,
    console: File,
    status: Status,
}

fn start(dir: &Path) -> Result<Guest, Error> {
    let path = dir.join(SPEC_FILE);
    let text = std::fs::read(&path).map_err(Error::file("read", &path))?;
    let spec: GuestSpec = serde_json::from_slice(&text).map_err(Error::damaged(&path))?;
    let starting = || format!("start guest {}", spec.node);
    let own = std::process::id();
    // Before anything is started: what is started later is limited too.
    for group in &spec.control_groups {
        std::fs::write(group, own.to_string()).map_err(Error::file("write to", group))?;
    }
    if let Some(processor) = spec.processor {
        let mut only = CpuSet::new();
        only.set(processor as usize);
        // Inherited by all that it starts. Slower, and as right, where it cannot be.
        rustix::thread::sched_setaffinity(None, &only).ok();
    }
    let supervisor =
        ProcessId::of(own).ok_or_else(|| ProviderError::NoProc { doing: starting() })?;
    let pipe = || {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(
            ProviderError::kernel(format!("make pipes for guest {}", spec.node)),
        )?;
        Ok::<_, Error>((File::from(reader), File::from(writer)))
    };
    let (mut info, info_writer) = pipe()?;
    let (block_reader, mut block) = pipe()?;
    let (console, console_writer) = pipe()?;
    inherit(&info_writer).map_err(ProviderError::kernel(starting()))?;
    inherit(&block_reader).map_err(ProviderError::kernel(starting()))?;
    let descriptors = Descriptors {
        info: info_writer.as_raw_fd(),
        block: block_reader.as_raw_fd(),
    };
    let argv = spec.argv(dir, descriptors);
    let (program, arguments) = argv
        .split_first()
        .map_or(("", &[][..]), |(program, arguments)| {
            (program.as_str(), arguments)
        });
    let errors = console_writer
        .try_clone()
        .map_err(ProviderError::kernel(starting()))?;
    let mut sandbox = process::blocking_command(program)
        .args(arguments)
        .stdout(Stdio::from(OwnedFd::from(console_writer)))
        .stderr(Stdio::from(OwnedFd::from(errors)))
        .spawn()
        .map_err(|error| ProviderError::NotStarted {
            doing: format!("{}: {program}", starting()),
            error,
            packages: "util-linux bubblewrap",
        })?;
    drop((info_writer, block_reader));
    let mut text = String::new();
    // Ends when the sandbox is there, or is not to be.
    info.read_to_string(&mut text)
        .map_err(ProviderError::kernel(starting()))?;
    let Ok(SandboxInfo { child_pid }) = serde_json::from_str(&text) else {
        let mut said = String::new();
        let mut console = console;
        console.read_to_string(&mut said).ok();
        sandbox.wait().ok();
        let (node, said) = (spec.node.clone(), said.trim().to_owned());
        return Err(ProviderError::Sandbox { node, said }.into());
    };
    let attached = attach(&spec, child_pid).and_then(|()| {
        ProcessId::of(child_pid).ok_or_else(|| {
            let (node, said) = (spec.node.clone(), "it ended at once".to_owned());
            ProviderError::Sandbox { node, said }.into()
        })
    });
    let guest = match attached {
        Ok(guest) => guest,
        Err(error) => {
            sandbox.kill().ok();
            sandbox.wait().ok();
            return Err(error);
        }
    };
    block
        .write_all(b"1")
        .map_err(ProviderError::kernel(starting()))?;
    Ok(Guest {
        sandbox,
        console,
        status: Status::Running { supervisor, guest },
    })
}

/// Lets programs that are started from now on have it.
fn inherit(descriptor: &impl AsFd) -> std::io::Result<()> {
    Ok(rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?)
}

/// Makes the guest's network device: a pair whose one end is a port of the bridge, and whose other end is alone in the
/// network namespace of the guest's process. It goes with that namespace.
fn attach(spec: &GuestSpec, pid: u32) -> Result<(), Error> {
    let pid_text = pid.to_string();
    let inside = format!("--net=/proc/{pid}/ns/net");
    let name = &*spec.interface;
    let commands: [&[&str]; 3] = [
        &[
            "ip", "link", "add", name, "type", "veth", "peer", "name", DEVICE, "netns", &pid_text,
        ],
        &[
            "ip",
            "link",
            "set",
            name,
            "master",
            &spec.bridge,
            "gso_max_segs",
            "1",
            "up",
        ],
        &["nsenter", &inside, "--", "ip", "link", "set", DEVICE, "up"],
    ];
    for argv in commands {
        super::network::run_blocking("make the network device of a guest", argv)?;
    }
    Ok(())
}

impl Guest {
    /// Keeps the end of what the guest says, until it ends.
    fn watch(mut self, dir: &Path) -> Result<(), Error> {
        let mut console = Console::open(dir)?;
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match self.console.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => console.write(buffer.get(..bytes).unwrap_or_default()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let ended = self
            .sandbox
            .wait()
            .map_err(ProviderError::kernel("wait for a guest"))?;
        console.write(format!("\nthe guest's process ended: {ended}\n").as_bytes());
        Ok(())
    }
}
