//! Programs: the one place where they are started, and how they end. Each is asked (SIGTERM), given time, and killed; so
//! is whatever it started. Processes whose parent is gone come to the watchdog, which reaps them.

mod orphans;
mod output_lines;

use crate::{InFlight, config::Config};
use output_lines::Lines;
use rustix::process::{Pid, Signal};
use std::{
    collections::HashSet,
    convert::Infallible,
    process::{ExitStatus, Stdio},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Between looks at processes that are to end.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Children end one after the other; they are reaped together.
const REAP_AFTER: Duration = Duration::from_millis(50);
/// For what comes after a program was killed.
const LAST: Duration = Duration::from_secs(1);

/// All programs of a watchdog.
#[derive(Debug, Clone)]
pub(crate) struct Programs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Those that somebody here waits for. Who starts one has it for reading, so that none ends before it is in it.
    own: RwLock<Own>,
    kill_after: Duration,
    lines: Option<Lines>,
    /// Ends that are on their way, and logs.
    tasks: TaskTracker,
    hurry: CancellationToken,
}

type Own = std::sync::Mutex<HashSet<Pid>>;

/// A program that runs. It is ended, with whatever it started, when nobody holds this any more.
#[derive(Debug)]
pub(crate) struct Program {
    /// None = it is over, or somebody else sees to that.
    child: Option<Child>,
    leader: Pid,
    programs: Programs,
    /// The call it is for.
    in_flight: Option<InFlight>,
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn command(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).process_group(0);
    command
}

fn signal_group(leader: Pid, signal: Signal) {
    // It may be over already.
    rustix::process::kill_process_group(leader, signal).ok();
}

impl Programs {
    /// None yet. Orphans come to this process from now on.
    pub(crate) fn new(config: &Config) -> Self {
        if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::debug!("take in orphans: {error}");
        }
        let programs = Self(Arc::new(Inner {
            own: RwLock::default(),
            kill_after: config.kill_after,
            lines: Lines::wanted(config),
            tasks: TaskTracker::new(),
            hurry: CancellationToken::new(),
        }));
        tokio::spawn(programs.clone().reap());
        programs
    }

    /// Starts a program; `argv` is not empty.
    pub(crate) fn start(
        &self,
        argv: &[String],
        in_flight: Option<InFlight>,
        set_up: impl FnOnce(&mut Command),
    ) -> std::io::Result<Program> {
        let mut command = command(argv);
        set_up(&mut command);
        let own = self.0.own.read().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let leader = id
            .and_then(Pid::from_raw)
            .ok_or_else(|| std::io::Error::other("it has no process id"))?;
        own.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(leader);
        drop(own);
        Ok(Program {
            child: Some(child),
            leader,
            programs: self.clone(),
            in_flight,
        })
    }

    /// Where what a program says beside its answer goes.
    pub(crate) fn log(&self) -> Stdio {
        if self.0.lines.is_some() {
            Stdio::piped()
        } else {
            Stdio::inherit()
        }
    }

    /// How much longer programs may take when they are asked to end.
    pub(crate) fn patience(&self) -> Duration {
        self.0.kill_after + LAST
    }

    /// Calls had their time: their programs are asked to end.
    pub(crate) fn hurry(&self) {
        self.0.hurry.cancel();
    }

    /// Whether calls had their time.
    pub(crate) fn is_hurried(&self) -> bool {
        self.0.hurry.is_cancelled()
    }

    /// Whether some process came here whose parent is gone.
    pub(crate) fn has_orphans(&self) -> bool {
        !self.orphans().is_empty()
    }

    fn orphans(&self) -> Vec<Pid> {
        let own = self.0.own.write().unwrap_or_else(PoisonError::into_inner);
        let own = own.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |pid: &Pid| !own.contains(pid);
        orphans::children().into_iter().filter(is_other).collect()
    }

    fn forget(&self, leader: Pid) {
        let own = self.0.own.read().unwrap_or_else(PoisonError::into_inner);
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        own.remove(&leader);
    }

    async fn reap(self) {
        let Ok(mut ended) = signal(SignalKind::child()) else {
            tracing::warn!("processes without a parent are not reaped");
            return;
        };
        while ended.recv().await.is_some() {
            tokio::time::sleep(REAP_AFTER).await;
            orphans::reap(&self.orphans());
        }
    }

    /// Ends everything that still runs: asks, waits, kills.
    pub(crate) async fn end(&self) {
        let mut asked = HashSet::new();
        let asking = async {
            loop {
                let left = self.orphans();
                orphans::reap(&left);
                if left.is_empty() && self.0.tasks.is_empty() {
                    break;
                }
                for pid in left {
                    // Whoever lost its parent meanwhile has not heard of it.
                    if asked.insert(pid) {
                        rustix::process::kill_process(pid, Signal::TERM).ok();
                    }
                }
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
        };
        let is_over = tokio::time::timeout(self.0.kill_after, asking).await;
        if is_over.is_err() {
            for pid in self.orphans() {
                tracing::warn!(
                    "process {} did not end and was killed",
                    pid.as_raw_nonzero()
                );
                rustix::process::kill_process(pid, Signal::KILL).ok();
            }
        }
        self.0.tasks.close();
        tokio::time::timeout(LAST, self.0.tasks.wait()).await.ok();
    }
}

impl Program {
    /// What it is asked and what it says.
    pub(crate) fn pipes(&mut self) -> Option<&mut Child> {
        self.child.as_mut()
    }

    /// Puts what it says beside its answer into the log, if somebody has to.
    pub(crate) fn log(&mut self, with_output: bool) {
        let (Some(child), Some(lines)) = (self.child.as_mut(), &self.programs.0.lines) else {
            return;
        };
        let tasks = &self.programs.0.tasks;
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn(lines.clone().copy(stderr, output_lines::Stream::Error));
        }
        if with_output && let Some(stdout) = child.stdout.take() {
            tasks.spawn(lines.clone().copy(stdout, output_lines::Stream::Output));
        }
    }

    /// It ended, and has said all that it had to say.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        let Some(child) = self.child.as_mut() else {
            return Err(std::io::Error::other("it is over already"));
        };
        let status = child.wait().await;
        self.child = None;
        self.programs.forget(self.leader);
        status
    }

    /// Asks it to end when calls had their time, and kills it later. Its end is seen by who waits for it.
    pub(crate) fn hurried(&self) -> impl Future<Output = Infallible> + Send + use<> {
        let (programs, leader) = (self.programs.clone(), self.leader);
        async move {
            programs.0.hurry.cancelled().await;
            signal_group(leader, Signal::TERM);
            tokio::time::sleep(programs.0.kill_after).await;
            signal_group(leader, Signal::KILL);
            std::future::pending().await
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else {
            return;
        };
        signal_group(self.leader, Signal::TERM);
        let (programs, leader) = (self.programs.clone(), self.leader);
        // It counts until it is gone.
        let in_flight = self.in_flight.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = self.programs.0.tasks.clone();
            tasks.spawn_on(end(child, leader, programs, in_flight), &runtime);
        } else {
            signal_group(leader, Signal::KILL);
        }
    }
}

/// Waits for a group that was asked to end.
async fn end(mut child: Child, leader: Pid, programs: Programs, in_flight: Option<InFlight>) {
    let _in_flight = in_flight;
    let is_gone = async {
        child.wait().await.ok();
        while rustix::process::test_kill_process_group(leader).is_ok() {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    };
    let after = programs.0.kill_after;
    if tokio::time::timeout(after, is_gone).await.is_err() {
        tracing::warn!(
            "process {} did not end within {after:?} and was killed",
            leader.as_raw_nonzero()
        );
        signal_group(leader, Signal::KILL);
        child.wait().await.ok();
    }
    programs.forget(leader);
}
