//! Follows the agents and the deployment, for all pages together.

use crate::{
    functions::FunctionHistory,
    history::NodeHistory,
    panels::{Application, ClusterView},
    source::{ClockOffsets, Source},
    view::{Status, Topology},
};
use continuum_agents::{Agent, MetricsFrom};
use continuum_host::error::chain;
use continuum_model::{ControllerClock, MeasuredNumber};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How often the deployment is looked at, and pages are told what is new.
const PERIOD: Duration = Duration::from_secs(1);
/// An agent that is gone may come back.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Clocks of guests drift by some parts in a million.
const CLOCK_EVERY: Duration = Duration::from_secs(30);
/// For one look at the deployment: its API server may hang.
const STATUS_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is looked at what takes longer.
const PANELS_PERIOD: Duration = Duration::from_secs(2);
/// API servers and kubelets are asked less often.
const CLUSTER_PERIOD: Duration = Duration::from_secs(5);
/// Files of endpoints may come over slow links, and API servers be away.
const PANELS_DEADLINE: Duration = Duration::from_secs(30);

/// What is replaced as a whole; whoever has it sees by the pointer whether it is another one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panels {
    pub(crate) application: Option<Arc<Application>>,
    pub(crate) measured: Arc<Vec<MeasuredNumber>>,
    pub(crate) cluster: Option<Arc<ClusterView>>,
}

/// What is known of a deployment, kept up to date as long as its token is not cancelled.
#[derive(Debug)]
pub struct Feed {
    source: Arc<dyn Source>,
    topology: Topology,
    nodes: Mutex<BTreeMap<String, NodeHistory>>,
    status: Mutex<Status>,
    panels: Mutex<Panels>,
    functions: Mutex<FunctionHistory>,
    ticks: watch::Sender<u64>,
}

impl Feed {
    /// Begins to follow.
    pub fn start(source: Arc<dyn Source>, stop: &CancellationToken) -> Arc<Self> {
        let topology = source.topology();
        let nodes = topology.nodes.iter();
        let nodes = nodes.map(|node| (node.name.clone(), NodeHistory::default()));
        let feed = Arc::new(Self {
            nodes: Mutex::new(nodes.collect()),
            topology,
            source,
            status: Mutex::default(),
            panels: Mutex::default(),
            functions: Mutex::default(),
            ticks: watch::channel(0).0,
        });
        for agent in feed.source.agents() {
            let (feed, stop) = (Arc::clone(&feed), stop.clone());
            tokio::spawn(async move {
                let follow = async { tokio::join!(feed.follow(&*agent), feed.set_clock(&*agent)) };
                stop.run_until_cancelled(follow).await;
            });
        }
        let (own, stop) = (Arc::clone(&feed), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(own.look()).await });
        feed
    }

    pub(crate) fn source(&self) -> &dyn Source {
        &*self.source
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(crate) fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, NodeHistory>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> Status {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn panels(&self) -> Panels {
        self.change_panels(|panels| panels.clone())
    }

    pub(crate) fn functions(&self) -> MutexGuard<'_, FunctionHistory> {
        let functions = self.functions.lock();
        functions.unwrap_or_else(PoisonError::into_inner)
    }

    fn change_panels<T>(&self, change: impl FnOnce(&mut Panels) -> T) -> T {
        change(&mut self.panels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes once a second.
    pub(crate) fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
    }

    fn change(&self, node: &str, change: impl FnOnce(&mut NodeHistory)) {
        if let Some(history) = self.nodes().get_mut(node) {
            change(history);
        }
    }

    /// One agent, as often as it comes back.
    async fn follow(&self, agent: &dyn Agent) {
        let node = agent.node();
        loop {
            let (sender, mut batches) = mpsc::channel(16);
            let take = async {
                while let Some(batch) = batches.recv().await {
                    self.change(node, |history| {
                        history.silent = None;
                        history.take(batch);
                    });
                }
            };
            let (ended, ()) = tokio::join!(agent.stream_metrics(sender, MetricsFrom::Kept), take);
            let why = ended.map_or_else(|e| chain(&e), |()| "its agent ended the stream".into());
            self.change(node, |history| history.silent = Some(why));
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn set_clock(&self, agent: &dyn Agent) {
        loop {
            let pause = match agent.clock_offset().await {
                Ok(clock) => {
                    self.change(agent.node(), |history| history.clock = Some(clock));
                    CLOCK_EVERY
                }
                Err(_) => AGAIN_AFTER,
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&self) {
        let mut tick = period(PERIOD);
        loop {
            tick.tick().await;
            let asked = tokio::time::timeout(STATUS_DEADLINE, self.source.status()).await;
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            *status = asked.unwrap_or_else(|_| Status {
                trouble: vec![format!(
                    "the deployment was not heard for {} s",
                    STATUS_DEADLINE.as_secs()
                )],
                ..status.clone()
            });
            drop(status);
            self.ticks.send_modify(|ticks| *ticks += 1);
        }
    }
    /// What only pages show.
    pub(crate) async fn look_at_panels(&self) {
        tokio::join!(self.look_at_application(), self.look_at_cluster());
    }

    /// As long as there are pages: it costs endpoints something.
    async fn look_at_application(&self) {
        let mut tick = period(PANELS_PERIOD);
        loop {
            tick.tick().await;
            if self.ticks.receiver_count() == 0 {
                continue;
            }
            let measured = self.source.measured();
            self.change_panels(|panels| {
                if *panels.measured != measured {
                    panels.measured = Arc::new(measured);
                }
            });
            let clocks = self.clocks();
            let asked = self.source.application(&clocks);
            // What is late is asked again; what was known until then stays.
            let Ok(application) = tokio::time::timeout(PANELS_DEADLINE, asked).await else {
                continue;
            };
            self.change_panels(|panels| {
                if panels.application.as_deref() != application.as_ref() {
                    panels.application = application.map(Arc::new);
                }
            });
        }
    }

    async fn look_at_cluster(&self) {
        let (mut tick, clock) = (period(CLUSTER_PERIOD), ControllerClock::start());
        loop {
            tick.tick().await;
            let asked = self.source.cluster();
            let Ok(cluster) = tokio::time::timeout(PANELS_DEADLINE, asked).await else {
                continue;
            };
            if let Some(cluster) = &cluster {
                let at_ms = clock.now().unix_ns() / 1_000_000;
                self.functions().take(at_ms, cluster.functions.clone());
            }
            self.change_panels(|panels| {
                if panels.cluster.as_deref() != cluster.as_ref() {
                    panels.cluster = cluster.map(Arc::new);
                }
            });
        }
    }

    fn clocks(&self) -> ClockOffsets {
        let nodes = self.nodes();
        let known = nodes
            .iter()
            .filter_map(|(name, node)| Some((name.clone(), node.clock?)));
        known.collect()
    }
}

/// What was missed is not made up for.
fn period(period: Duration) -> tokio::time::Interval {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick
}
