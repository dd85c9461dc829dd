//! What happens while an application runs, at times that the config gives; and, in a cluster, when nodes were lost and
//! came back.

use super::live_run::LiveRunFile;
use crate::{deploy, error::CommandError, report::ControllerEvent, session::Session};
use continuum_config::{Action, Benchmark, Change, LinkChange, TimelineStep};
use continuum_host::{context::Context, error::Error};
use continuum_model::ControllerClock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// How often a cluster is asked for the state of its nodes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For a unit to start again on a slow machine.
const RESTART_DEADLINE: Duration = Duration::from_mins(2);
/// For nodes that were lost to be ready again after the run: an edge tries the cloud anew every 30 s.
const BACK_DEADLINE: Duration = Duration::from_mins(3);

/// After this a cluster has missed a node that it lost: 40 to 50 s, by Kubernetes' defaults.
const MISSED_AFTER: Duration = Duration::from_mins(1);

/// What was noted so far.
#[derive(Debug, Clone)]
struct Notes {
    all: Arc<Mutex<Vec<ControllerEvent>>>,
    live: Arc<LiveRunFile>,
}

impl Notes {
    fn add(&self, clock: &ControllerClock, source: &'static str, text: String) {
        let event = ControllerEvent {
            time_unix_ns: clock.now(),
            source,
            text,
        };
        self.live.mark(&event);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(event);
    }
}

async fn act(session: &Session, action: &Action, run: &str) -> Result<(), Error> {
    match action {
        Action::Change(_) | Action::Restore(_) => deploy::change_link(session, action, Some(run))
            .await
            .map(|_| ()),
        Action::Restart { node, unit } => restart(session, node, unit).await,
    }
}

async fn restart(session: &Session, node: &str, unit: &str) -> Result<(), Error> {
    let argv = ["systemctl", "restart", unit].map(str::to_owned);
    let output = session.agent(node)?.exec(&argv, RESTART_DEADLINE).await?;
    if output.code == Some(0) {
        return Ok(());
    }
    Err(CommandError::Unit {
        unit: unit.to_owned(),
        node: node.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
    .into())
}

pub(super) struct Timeline {
    session: Arc<Session>,
    /// Whose it is.
    run: String,
    steps: Vec<TimelineStep>,
    begun: Option<Instant>,
    notes: Notes,
    clock: ControllerClock,
    steps_done: Option<JoinHandle<()>>,
    nodes: Option<NodeWatch>,
    failure: Arc<Mutex<Option<Error>>>,
}

/// Who looks at a cluster's nodes, and which were not ready when last seen.
struct NodeWatch {
    work: JoinHandle<()>,
    unready: watch::Receiver<BTreeMap<String, String>>,
}

impl NodeWatch {
    /// Until all nodes are ready, of which some may be missed only `by` then; those that are not by the deadline.
    async fn all_ready(
        &mut self,
        by: Option<Instant>,
        context: &Context,
    ) -> BTreeMap<String, String> {
        let back = async {
            if let Some(by) = by {
                let missed = self.unready.wait_for(|unready| !unready.is_empty());
                tokio::time::timeout_at(by, missed).await.ok();
            }
            let unready = self.unready.borrow().clone();
            if !unready.is_empty() {
                let names: Vec<String> = unready.into_keys().collect();
                context.progress.say(&format!(
                    "waiting for {} to be ready again, {} s at most",
                    names.join(", "),
                    BACK_DEADLINE.as_secs()
                ));
            }
            let back = self.unready.wait_for(BTreeMap::is_empty);
            tokio::time::timeout(BACK_DEADLINE, back).await.ok();
        };
        tokio::select! {
            () = back => {}
            () = context.cancel.cancelled() => {}
        }
        self.unready.borrow().clone()
    }
}

impl Timeline {
    /// Reads it; what names no node of this deployment is refused before anything runs.
    pub(super) fn new(
        session: &Arc<Session>,
        benchmark: &Benchmark,
        run: &str,
        live: &Arc<LiveRunFile>,
    ) -> Result<Self, Error> {
        let mut steps = benchmark.timeline.clone();
        for step in &steps {
            match &step.action {
                Action::Change(LinkChange { ends, .. }) | Action::Restore(ends) => {
                    deploy::check_places(&session.plan, &session.config, &ends.a, &ends.b)?;
                }
                Action::Restart { node, .. } => {
                    session.deployment.node(node)?;
                }
            }
        }
        steps.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        Ok(Self {
            session: Arc::clone(session),
            run: run.to_owned(),
            steps,
            begun: None,
            notes: Notes {
                all: Arc::default(),
                live: Arc::clone(live),
            },
            clock: ControllerClock::start(),
            steps_done: None,
            nodes: None,
            failure: Arc::default(),
        })
    }

    /// Until its last step.
    pub(super) fn length(&self) -> Duration {
        let last = self.steps.last().map_or(0.0, |s| s.at_s);
        Duration::from_secs_f64(last)
    }

    /// Begins to count.
    pub(super) fn begin(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let begun = Instant::now();
        self.begun = Some(begun);
        let (session, notes, clock) = (Arc::clone(&self.session), self.notes.clone(), self.clock);
        let (steps, failure) = (self.steps.clone(), Arc::clone(&self.failure));
        let run = self.run.clone();
        self.steps_done = Some(tokio::spawn(async move {
            for step in steps {
                tokio::time::sleep_until(begun + Duration::from_secs_f64(step.at_s)).await;
                let text = step.action.to_string();
                session
                    .context
                    .progress
                    .line(&format!("{:.0} s: {text}", step.at_s));
                match act(&session, &step.action, &run).await {
                    Ok(()) => notes.add(&clock, "timeline", text),
                    Err(error) => {
                        let why = continuum_host::error::chain(&error);
                        notes.add(&clock, "timeline", format!("{text} failed: {why}"));
                        let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        first.get_or_insert(error);
                    }
                }
            }
        }));
        if self.session.cluster().is_some() {
            let (session, notes, clock) =
                (Arc::clone(&self.session), self.notes.clone(), self.clock);
            let (tell, unready) = watch::channel(BTreeMap::new());
            let work = tokio::spawn(async move {
                watch_nodes(&session, &notes, clock, &tell).await;
            });
            self.nodes = Some(NodeWatch { work, unready });
        }
    }

    /// Links become what they were before, or what their user has made of them since.
    async fn restore(&self) -> Result<(), Error> {
        let is_of_a_unit = |step: &TimelineStep| matches!(step.action, Action::Restart { .. });
        if self.steps.iter().all(is_of_a_unit) {
            return Ok(());
        }
        deploy::end_timelines(&self.session).await
    }

    /// When the cluster must have missed the nodes that the last step may have cost it, if that is yet to come.
    fn missed_by(&self) -> Option<Instant> {
        let begun = self.begun?;
        let costs_nodes = |step: &&TimelineStep| match &step.action {
            Action::Change(change) => change.change == Change::Cut,
            Action::Restart { .. } => true,
            Action::Restore(_) => false,
        };
        let steps = self.steps.iter().filter(costs_nodes);
        let times = steps.map(|step| begun + Duration::from_secs_f64(step.at_s));
        let last = times.filter(|at| *at <= Instant::now()).max()?;
        Some(last + MISSED_AFTER).filter(|by| *by > Instant::now())
    }

    /// Ends it, restores what it changed, waits for nodes that it cost (unless the run failed), and says what happened
    /// and what could not be done.
    pub(super) async fn finish(
        mut self,
        run_failed: bool,
    ) -> (Vec<ControllerEvent>, Option<Error>) {
        if let Some(work) = self.steps_done.take() {
            work.abort();
            // Not before it is over: an action that began must not overtake what follows.
            work.await.ok();
        }
        let restored = self.restore().await.err();
        let missed_by = self.missed_by();
        if let Some(mut nodes) = self.nodes.take() {
            if !run_failed && restored.is_none() {
                // Their return belongs to the experiment, and the next run needs them.
                for (node, why) in nodes.all_ready(missed_by, &self.session.context).await {
                    let text = format!("{node} did not come back: {why}");
                    self.notes.add(&self.clock, "cluster", text);
                }
            }
            nodes.work.abort();
            nodes.work.await.ok();
        }
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = first.take().or(restored);
        drop(first);
        let mut all = self
            .notes
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut *all), failure)
    }
}

/// Notes each node that becomes ready, or is not any more.
async fn watch_nodes(
    session: &Session,
    notes: &Notes,
    clock: ControllerClock,
    tell: &watch::Sender<BTreeMap<String, String>>,
) {
    let Ok(client) = continuum_cluster::client(&session.deployment, &session.plan) else {
        return;
    };
    let mut known: Option<BTreeMap<String, String>> = None;
    loop {
        if let Ok(unready) = continuum_cluster::unready_now(&client, &session.plan).await {
            let before = known.unwrap_or_default();
            for (node, why) in unready.iter().filter(|(n, _)| !before.contains_key(*n)) {
                notes.add(&clock, "cluster", format!("{node} is not ready: {why}"));
            }
            for node in before.keys().filter(|n| !unready.contains_key(*n)) {
                notes.add(&clock, "cluster", format!("{node} is ready"));
            }
            tell.send_replace(unready.clone());
            known = Some(unready);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
