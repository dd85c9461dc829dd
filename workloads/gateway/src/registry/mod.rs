//! What there is, as the cluster tells it: functions, their replicas, and who waits for them.

mod cluster_watch;
mod replica;

pub(crate) use cluster_watch::keep_current;
pub(crate) use replica::{Busy, Replica};

use crate::functions::{Key, replicas};
use k8s_openapi::api::apps::v1::Deployment;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::watch as channel;

/// Deployments, and pods.
const WATCHES: u32 = 2;

#[derive(Debug, Default)]
pub(crate) struct FunctionRegistry {
    functions: RwLock<HashMap<Key, Arc<Function>>>,
    /// How many of the watches have told everything once.
    synced: channel::Sender<u32>,
}

/// One function. It is known from the moment that a Deployment or a pod of it is.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) key: Key,
    state: channel::Sender<State>,
    pub(crate) load: Load,
    /// The state, by its resource version, in which one was asked for a replica.
    pub(crate) asked: tokio::sync::Mutex<Option<String>>,
}

/// See [`Function`].
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    pub(crate) deployment: Option<Arc<Deployment>>,
    /// By pod.
    pub(crate) replicas: BTreeMap<String, Arc<Replica>>,
}

#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) in_flight: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) ended: AtomicU64,
    /// Milliseconds after `begun`.
    last_used_ms: AtomicU64,
    begun: Instant,
}

impl Load {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.last_used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.last_used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// From now on it is idle, if it is.
    pub(crate) fn touch(&self) {
        self.last_used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Since the last call began or ended; since the function is known if there was none.
    pub(crate) fn idle_ms(&self) -> u64 {
        let last = self.last_used_ms.load(Ordering::Relaxed);
        self.now_ms().saturating_sub(last)
    }
}

impl State {
    /// Whether nothing is left.
    fn is_gone(&self) -> bool {
        self.deployment.is_none() && self.replicas.is_empty()
    }

    pub(crate) fn wanted(&self) -> u64 {
        self.deployment.as_ref().map_or(0, |d| replicas(d))
    }

    pub(crate) fn available(&self) -> u64 {
        self.replicas.values().filter(|r| r.takes_calls()).count() as u64
    }

    /// The least busy of those that take calls.
    pub(crate) fn pick(&self, but: &[String]) -> Option<Arc<Replica>> {
        let able = self.replicas.values().filter(|r| r.takes_calls());
        able.filter(|r| !but.contains(&r.pod))
            .min_by_key(|r| r.calls.load(Ordering::Relaxed))
            .cloned()
    }

    /// Why its replicas do not take calls, if they say so.
    pub(crate) fn trouble(&self) -> Option<String> {
        let mut all = self.replicas.values();
        all.find_map(|r| Some(format!("pod {}: {}", r.pod, r.trouble.as_ref()?)))
    }
}

impl Function {
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Told of every change.
    pub(crate) fn changes(&self) -> channel::Receiver<State> {
        self.state.subscribe()
    }
}

impl FunctionRegistry {
    /// A function whose Deployment is there.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Function>> {
        let all = self
            .functions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.get(key)
            .filter(|f| f.state.borrow().deployment.is_some())
            .cloned()
    }

    /// All functions whose Deployments are there.
    pub(crate) fn all(&self) -> Vec<Arc<Function>> {
        let all = self
            .functions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all
            .values()
            .filter(|f| f.state.borrow().deployment.is_some())
            .cloned()
            .collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// Whether everything has been told once.
    pub(crate) fn is_synced(&self) -> bool {
        *self.synced.borrow() >= WATCHES
    }

    /// Returns when it has: before that, what is not known may well be there.
    pub(crate) async fn until_synced(&self) {
        // The sender is this registry's own.
        self.synced
            .subscribe()
            .wait_for(|n| *n >= WATCHES)
            .await
            .ok();
    }

    pub(crate) fn note_synced(&self) {
        self.synced.send_modify(|n| *n += 1);
    }

    /// Changes a function, which comes and goes by that.
    pub(crate) fn change(&self, key: &Key, change: impl FnOnce(&mut State)) {
        let mut all = self
            .functions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let function = all.entry(key.clone()).or_insert_with(|| {
            Arc::new(Function {
                key: key.clone(),
                state: channel::Sender::new(State::default()),
                load: Load {
                    in_flight: AtomicU64::new(0),
                    started: AtomicU64::new(0),
                    ended: AtomicU64::new(0),
                    last_used_ms: AtomicU64::new(0),
                    begun: Instant::now(),
                },
                asked: tokio::sync::Mutex::default(),
            })
        });
        function.state.send_modify(change);
        if function.state.borrow().is_gone() {
            all.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(pod: &str, is_ready: bool, calls: u64) -> Arc<Replica> {
        Arc::new(Replica {
            pod: pod.into(),
            node: None,
            address: Some("127.0.0.2".parse().unwrap()),
            is_ready,
            is_leaving: false,
            trouble: (!is_ready).then(|| "ErrImagePull: no such image".to_owned()),
            calls: AtomicU64::new(calls).into(),
        })
    }

    #[test]
    fn the_least_busy_replica_that_takes_calls_is_picked() {
        let registry = FunctionRegistry::default();
        let key = Key::parse("f", "fn");
        registry.change(&key, |state| {
            state.deployment = Some(Arc::default());
            for one in [
                replica("a", true, 3),
                replica("b", true, 1),
                replica("c", false, 0),
            ] {
                state.replicas.insert(one.pod.clone(), one);
            }
        });
        let state = registry.find(&key).unwrap().state();
        assert_eq!(state.pick(&[]).unwrap().pod, "b");
        assert_eq!(state.pick(&["b".into()]).unwrap().pod, "a");
        assert!(state.pick(&["a".into(), "b".into()]).is_none());
        assert_eq!((state.available(), state.wanted()), (2, 1));
        assert!(state.trouble().unwrap().contains("ErrImagePull"));
    }

    #[test]
    fn a_function_is_there_as_long_as_its_deployment() {
        let registry = FunctionRegistry::default();
        let key = Key::parse("f", "fn");
        registry.change(&key, |state| {
            let one = replica("a", true, 0);
            state.replicas.insert(one.pod.clone(), one);
        });
        let known = || registry.functions.read().unwrap().len();
        assert!(registry.find(&key).is_none() && known() == 1);
        registry.change(&key, |state| state.replicas.clear());
        assert_eq!(known(), 0);
    }
}
