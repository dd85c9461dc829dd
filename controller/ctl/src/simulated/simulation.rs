//! Commands on a simulated world, each with what stops it; and what must hold after them.

use super::{
    faults::{Fault, Planned},
    provider::{NAME, Simulated},
    world::World,
};
use crate::{
    bench::{self, Done},
    deploy::{self, Up},
    session::{self, Session},
};
use continuum_config::{Action, Config};
use continuum_host::{
    context::{Choice, Context},
    error::{Error, chain},
    progress::Progress,
    state::{Deployment, Lock, LockKind, Moment, StateRoot, claim_apart, watch_writes},
};
use continuum_images::cache::Cache;
use continuum_model::{LinkClass, VerifyMode};
use continuum_provider::Allow;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Longer than any command may take, in the time of its world.
const HANGS_AFTER: Duration = Duration::from_hours(3);
/// A host claims addresses once at a time, and so do all these tests.
static TURN: Mutex<()> = Mutex::new(());

/// What stops a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Never,
    /// Its user asks it to stop while it waits for the so-many-th time.
    CancelAtPoll(u64),
    /// Likewise, at the so-many-th call to an agent or the provider.
    CancelAtCall(u64),
    /// It is killed while it waits.
    KillAtPoll(u64),
    /// It is killed before the so-many-th write of the journal.
    KillBeforeWrite(u64),
    /// It is killed after it.
    KillAfterWrite(u64),
    /// The disk of the state directory is full from that write on.
    FullFromWrite(u64),
}

/// What became of a command.
#[derive(Debug)]
pub(super) enum End<T> {
    Returned(Result<T, Error>),
    Killed,
}

impl<T> End<T> {
    pub(super) fn err(self) -> Error {
        match self {
            Self::Returned(Err(error)) => error,
            Self::Returned(Ok(_)) => panic!("nothing was wrong with it"),
            Self::Killed => panic!("it was killed"),
        }
    }

    pub(super) fn ok(self) -> T {
        match self {
            Self::Returned(Ok(value)) => value,
            Self::Returned(Err(error)) => panic!("failed to {}", chain(&error)),
            Self::Killed => panic!("it was killed"),
        }
    }
}

/// How often a command waited, asked, and wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) polls: u64,
    pub(super) calls: u64,
    pub(super) writes: u64,
}

/// A controller with its world.
pub(super) struct Simulation {
    dir: tempfile::TempDir,
    root: StateRoot,
    cache: Cache,
    pub(super) world: Arc<World>,
    pub(super) config: Config,
    /// How much a bench measures of what it runs on.
    pub(super) verify: VerifyMode,
    /// Of the last command.
    pub(super) counts: Counts,
    _turn: MutexGuard<'static, ()>,
}

impl Drop for Simulation {
    fn drop(&mut self) {
        World::forget(&self.root.deployments());
    }
}

/// Lets a future go no further once it was killed, or unwound because of that.
async fn killable<T>(
    work: impl Future<Output = T>,
    is_killed: &AtomicBool,
    mut at_poll: impl FnMut(u64),
    polls: &AtomicU64,
) -> Option<T> {
    let mut work = Box::pin(work);
    std::future::poll_fn(move |context| {
        at_poll(polls.fetch_add(1, Ordering::Relaxed) + 1);
        if is_killed.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match polled {
            _ if is_killed.load(Ordering::Relaxed) => Poll::Ready(None),
            Ok(polled) => polled.map(Some),
            Err(panic) => resume_unwind(panic),
        }
    })
    .await
}

/// A test cannot go on without it, and says what failed.
fn must<T>(doing: &str, result: Result<T, impl std::fmt::Display>) -> T {
    result.unwrap_or_else(|error| panic!("{doing}: {error}"))
}

impl Simulation {
    pub(super) fn new(config: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        continuum_provider::register(&Simulated);
        // In memory where there is such a place: a journal waits for its disk at every write.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let dir = must("make a directory", dir);
        let root = must("open the state", StateRoot::at(dir.path().join("state")));
        let parsed = continuum_plan::parse(config, "sim.toml", false, "sim", &[]);
        let parsed = must("read the config", parsed);
        Self {
            world: World::of(root.deployments()),
            cache: must("open the cache", Cache::at(dir.path().join("cache"))),
            config: parsed.config,
            verify: VerifyMode::default(),
            root,
            dir,
            counts: Counts::default(),
            _turn: turn,
        }
    }

    fn context(&self) -> Context {
        Context {
            root: self.root.clone(),
            cache: self.cache.clone(),
            progress: Arc::new(Progress::new(true)),
            cancel: CancellationToken::new(),
            chosen: Some(Choice {
                provider: NAME.into(),
                reason: Some("simulated: no number of it is real".into()),
            }),
        }
    }

    /// One command, as a process of its own would run it.
    pub(super) fn command<T>(
        &mut self,
        stop: Stop,
        work: impl AsyncFnOnce(Context) -> Result<T, Error>,
    ) -> End<T> {
        let context = self.context();
        let cancel = context.cancel.clone();
        let is_killed = Arc::new(AtomicBool::new(false));
        let (polls, writes) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
        let calls_before = self.world.now().calls.len();
        claim_apart(format!("continuum-simulation-{}", std::process::id()));
        watch_writes(Some(Box::new({
            let (is_killed, writes) = (Arc::clone(&is_killed), Arc::clone(&writes));
            move |moment, _| at_write(stop, moment, &writes, &is_killed)
        })));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        let runtime = must("start a runtime", runtime);
        let at_poll = |poll| match stop {
            Stop::CancelAtPoll(at) if poll == at => cancel.cancel(),
            Stop::KillAtPoll(at) if poll == at => is_killed.store(true, Ordering::Relaxed),
            _ => {}
        };
        let at_call = match stop {
            Stop::CancelAtCall(at) => Some(at),
            _ => None,
        };
        let ended = runtime.block_on(async {
            self.world.begin(at_call, &cancel);
            let work = killable(work(context), &is_killed, at_poll, &polls);
            let ended = tokio::time::timeout(HANGS_AFTER, work).await;
            self.world.end(Duration::from_secs(1));
            ended
        });
        drop(runtime);
        watch_writes(None);
        self.counts = Counts {
            polls: polls.load(Ordering::Relaxed),
            calls: (self.world.now().calls.len() - calls_before) as u64,
            writes: writes.load(Ordering::Relaxed),
        };
        let Ok(ended) = ended else {
            panic!("it hangs; its last calls: {:?}", self.last_calls());
        };
        ended.map_or(End::Killed, End::Returned)
    }

    fn last_calls(&self) -> Vec<String> {
        let inner = self.world.now();
        let calls = inner.calls.iter().rev().take(5);
        calls.map(|c| format!("{} {}", c.whom, c.what)).collect()
    }

    pub(super) fn up(&mut self, stop: Stop) -> End<Up> {
        let config = self.config.clone();
        self.command(stop, async move |context| {
            let _lock = Lock::take(&context.root.locks(), &config.name, LockKind::Exclusive)?;
            deploy::up(&context, &config, Allow::default()).await
        })
    }

    pub(super) fn down(&mut self, stop: Stop) -> End<Vec<String>> {
        let name = self.config.name.clone();
        self.command(stop, async move |context| {
            let _lock = Lock::take(&context.root.locks(), &name, LockKind::Exclusive)?;
            // A hypervisor that nobody has answers at once.
            deploy::down(&context, &name, "nobody:///").await
        })
    }

    pub(super) fn bench(&mut self, stop: Stop) -> End<Done> {
        let (config, results, verify) = (self.config.clone(), self.results(), self.verify);
        self.command(stop, async move |context| {
            bench::bench(&context, &config, &results, verify).await
        })
    }

    /// `set A B …`, `cut A B` or `restore A B`.
    pub(super) fn network(&mut self, words: &str, stop: Stop) -> End<Vec<String>> {
        let name = self.config.name.clone();
        let action: Action = must(words, words.parse());
        self.command(stop, async move |context| {
            let session = Session::open(&context, &name)?;
            deploy::change_link(&session, &action, None).await
        })
    }

    pub(super) fn results(&self) -> PathBuf {
        self.dir.path().join("results")
    }

    /// Result files that there are.
    pub(super) fn result_files(&self) -> usize {
        let Ok(all) = std::fs::read_dir(self.results()) else {
            return 0;
        };
        all.flatten()
            .filter(|e| e.path().join("result.json").exists())
            .count()
    }

    /// Lets something go wrong so long after now.
    pub(super) fn plan(&self, after: Duration, node: &str, fault: Fault) {
        let mut inner = self.world.now();
        let at = inner.elapsed() + after;
        let node = node.to_owned();
        inner.planned_faults.push(Planned { at, node, fault });
        inner.planned_faults.sort_by_key(|planned| planned.at);
    }

    /// Lets time pass while no command runs.
    pub(super) fn pass(&self, time: Duration) {
        self.world.end(time);
    }

    /// Nothing goes wrong any more, and machines that live do so without faults.
    pub(super) fn clear_faults(&self) {
        let mut inner = self.world.now();
        inner.planned_faults.clear();
        inner.injected.clear();
        for machine in inner.machines.values_mut() {
            machine.clear_faults();
        }
    }

    pub(super) fn deployment(&self) -> Option<Deployment> {
        must(
            "read the state",
            Deployment::load(&self.root, &self.config.name),
        )
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        must("find the state", self.root.deployment(&self.config.name))
    }

    /// What is left of it anywhere.
    pub(super) fn left(&self) -> Vec<String> {
        let inner = self.world.now();
        let machines = inner
            .machines
            .values()
            .map(|m| format!("machine {}", m.node));
        let networks = inner.networks.keys().map(|p| format!("network {p}"));
        let dir = self.state_dir();
        let dir = dir.exists().then(|| dir.display().to_string());
        machines.chain(networks).chain(dir).collect()
    }

    /// Runs that no controller looks after any more.
    pub(super) fn runs_under_way(&self) -> Vec<String> {
        let inner = self.world.now();
        let reached = inner.machines.values().filter(|m| !m.is_silent);
        let all = reached.filter(|m| m.volatile.is_under_way());
        all.map(|m| m.node.clone()).collect()
    }

    /// Photos without an answer, of runs that began since a time.
    pub(super) fn missing(&self, begun: Duration) -> u64 {
        let inner = self.world.now();
        let runs = inner
            .machines
            .values()
            .flat_map(|m| m.volatile.runs.values());
        let own = runs.filter(|run| run.began >= begun);
        own.map(super::workload::Run::missing).sum()
    }

    /// Links of nodes whose links are others than were asked for.
    pub(super) fn wrong_links(&self) -> Vec<String> {
        let context = self.context();
        let (deployment, config, plan) = must(
            "open the deployment",
            session::open(&context, &self.config.name),
        );
        let requests = must("read requests of links", deploy::link_requests(&deployment));
        let mut inner = self.world.now();
        let mut wrong = Vec::new();
        for node in &plan.nodes {
            let measured = deployment.facts().link_overhead_ms.get(&node.tier);
            let overhead_ms = measured.copied().unwrap_or_default();
            let asked = requests.links_of(node, &plan.nodes, &config.network);
            let Some(machine) = inner.machines.get_mut(&node.address) else {
                continue;
            };
            let text = |all: &[LinkClass], off: f64| {
                let one = |c: &LinkClass| {
                    let peers: Vec<_> = c.peers.iter().map(|p| (&*p.node, p.is_cut_off)).collect();
                    let (link, overhead_ms) = (&c.link, c.overhead_ms + off);
                    format!("{} {peers:?} {link:?} {overhead_ms:.3}", c.name)
                };
                all.iter().map(one).collect::<Vec<_>>().join("; ")
            };
            let (asked, has) = (
                text(&asked, overhead_ms),
                text(&machine.volatile.links, 0.0),
            );
            if asked != has {
                wrong.push(format!("{}: asked {asked}, has {has}", node.name));
            }
        }
        wrong
    }
}

fn at_write(
    stop: Stop,
    moment: Moment,
    writes: &AtomicU64,
    is_killed: &AtomicBool,
) -> io::Result<()> {
    let number = match moment {
        Moment::Before => writes.fetch_add(1, Ordering::Relaxed) + 1,
        Moment::After => writes.load(Ordering::Relaxed),
    };
    match (stop, moment) {
        (Stop::KillBeforeWrite(at), Moment::Before) | (Stop::KillAfterWrite(at), Moment::After)
            if number == at =>
        {
            is_killed.store(true, Ordering::Relaxed);
            // Nothing of the command goes on, as after a signal that cannot be caught; no message, as it was meant.
            resume_unwind(Box::new("killed"))
        }
        (Stop::FullFromWrite(at), Moment::Before) if number >= at => {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        _ => Ok(()),
    }
}
