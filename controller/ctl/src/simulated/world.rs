//! The simulated world: machines that are entries in a table, and their planned faults.

use super::{
    faults::Planned,
    machine::Machine,
    runs::{self, Machines},
};
use continuum_model::{ControllerTime, Prefix};
use continuum_provider::MachineState;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// By the state directory of their controller: providers are asked with nothing else that tells one world from another.
static WORLDS: Mutex<BTreeMap<PathBuf, Arc<World>>> = Mutex::new(BTreeMap::new());

/// Calls that pass while nobody waits for them are none that can be interrupted.
#[derive(Debug, Default)]
struct PlannedInterrupt {
    at_call: u64,
    cancel: CancellationToken,
}

/// One call, as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// Since the beginning of the world.
    pub(super) at: Duration,
    /// Who was asked: a node, or the provider.
    pub(super) whom: String,
    pub(super) what: String,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// What passed before the command of now, whose runtime has a clock of its own.
    passed: Duration,
    since: Option<Instant>,
    /// When everything was moved on last: at one moment, once.
    moved: Option<Duration>,
    pub(super) machines: Machines,
    /// Networks with the deployment, its id and its name, that has each.
    pub(super) networks: BTreeMap<Prefix, (String, String)>,
    pub(super) calls: Vec<Call>,
    pub(super) planned_faults: Vec<Planned>,
    /// With whether a run was under way on its node.
    pub(super) injected: Vec<(Planned, bool)>,
    interrupt: Option<PlannedInterrupt>,
}

/// The world of one state directory.
#[derive(Debug)]
pub(super) struct World {
    began: ControllerTime,
    inner: Mutex<Inner>,
}

impl World {
    /// A new one for a controller.
    pub(super) fn of(deployments: PathBuf) -> Arc<Self> {
        let began = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let world = Arc::new(Self {
            began: ControllerTime::from_unix_ns(began.as_nanos() as i64),
            inner: Mutex::default(),
        });
        let mut all = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(deployments, Arc::clone(&world));
        world
    }

    /// That of a controller.
    pub(super) fn find(deployments: &PathBuf) -> Option<Arc<Self>> {
        let all = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(deployments).cloned()
    }

    /// It ends with its controller.
    pub(super) fn forget(deployments: &PathBuf) {
        let mut all = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(deployments);
    }

    /// All of it, as it is now.
    pub(super) fn now(&self) -> MutexGuard<'_, Inner> {
        // Whoever unwinds was killed, and the world goes on.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.advance(self.began);
        inner
    }

    /// What the controller's clock shows, which is right.
    pub(super) fn time(&self, inner: &Inner) -> ControllerTime {
        self.began.after(inner.elapsed())
    }

    /// A command begins, on a runtime of its own; its user asks it to stop at its so-many-th call.
    pub(super) fn begin(&self, at_call: Option<u64>, cancel: &CancellationToken) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.since = Some(Instant::now());
        inner.interrupt = at_call.map(|at_call| PlannedInterrupt {
            at_call,
            cancel: cancel.clone(),
        });
        drop(inner);
    }

    /// It ends, and `after` passes.
    pub(super) fn end(&self, after: Duration) {
        let mut inner = self.now();
        inner.passed = inner.elapsed() + after;
        inner.since = None;
        inner.interrupt = None;
        inner.advance(self.began);
    }

    /// Somebody asks: noted, and counted for who interrupts.
    pub(super) fn note(&self, whom: &str, what: &str) {
        let mut inner = self.now();
        let at = inner.elapsed();
        inner.calls.push(Call {
            at,
            whom: whom.to_owned(),
            what: what.to_owned(),
        });
        if let Some(interrupt) = &mut inner.interrupt {
            interrupt.at_call = interrupt.at_call.saturating_sub(1);
            if interrupt.at_call == 0 {
                interrupt.cancel.cancel();
            }
        }
    }
}

impl Inner {
    /// Since the beginning of the world.
    pub(super) fn elapsed(&self) -> Duration {
        self.passed + self.since.map_or(Duration::ZERO, |s| s.elapsed())
    }

    pub(super) fn machine(&mut self, node: &str) -> Option<(Ipv4Addr, &mut Machine)> {
        let mut all = self.machines.iter_mut();
        all.find(|(_, m)| m.node == node)
            .map(|(address, m)| (*address, m))
    }

    /// Moves everything on to now: faults first, each at its time.
    fn advance(&mut self, began: ControllerTime) {
        let now = self.elapsed();
        while let Some(index) = self.planned_faults.iter().position(|p| p.at <= now) {
            let planned = self.planned_faults.remove(index);
            runs::advance(&mut self.machines, planned.at, began);
            let Some((_, machine)) = self.machine(&planned.node) else {
                continue;
            };
            if machine.state != MachineState::Running {
                continue;
            }
            let is_under_way = machine.volatile.is_under_way();
            let node_now = machine.clock.to_node(began.after(planned.at));
            machine.inject(planned.fault, planned.at, node_now);
            self.injected.push((planned, is_under_way));
        }
        if self.moved.replace(now) != Some(now) {
            runs::advance(&mut self.machines, now, began);
        }
    }
}
