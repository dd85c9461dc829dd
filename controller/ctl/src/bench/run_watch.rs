//! Runs while they run: started, watched, waited for.

use super::{load::Load, measurement::Measurement, node_health::NodeHealth};
use crate::session::Session;
use continuum_agents::{RunEvent, RunEventKind, Runner};
use continuum_host::error::Error;
use continuum_model::{NodeRun, Phase, RunPlan, UserContainer};
use continuum_workload_core::event::Event;
use futures_util::FutureExt;
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

/// For a worker to load its network; minutes under emulation.
const READY_DEADLINE: Duration = Duration::from_mins(6);
/// A container of the user's own is asked so often whether it listens yet.
const CONNECT_EVERY: Duration = Duration::from_millis(300);
/// For what a run still says after its end was asked for: its last lines, and how it ended.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often nodes are looked at during a run.
const HEALTH_EVERY: Duration = Duration::from_secs(2);

/// A line of a container of the user's own.
#[derive(serde::Deserialize)]
struct Metric {
    metric: String,
    value: f64,
}

pub(super) struct Watched {
    pub(super) run: NodeRun,
    events: mpsc::Receiver<RunEvent>,
    pub(super) watcher: JoinHandle<Result<(), Error>>,
    pub(super) runner: Arc<dyn Runner>,
}

pub(super) async fn start(
    runner: Arc<dyn Runner>,
    plan: &RunPlan,
    measurement: &Measurement,
) -> Result<Watched, Error> {
    let remote_id = measurement.remote_id(plan);
    let start = measurement.start_of(plan)?;
    let asked_unix_ns = measurement.clock.now();
    let started = runner.start(start).await?;
    let (sender, events) = mpsc::channel(1024);
    let watcher = tokio::spawn({
        let (runner, id) = (Arc::clone(&runner), remote_id.clone());
        async move { runner.watch(&id, sender).await }
    });
    Ok(Watched {
        run: NodeRun::new(plan.clone(), remote_id, asked_unix_ns, started),
        events,
        watcher,
        runner,
    })
}

impl Watched {
    fn take(&mut self, event: RunEvent) {
        let run = &mut self.run;
        match event.kind {
            RunEventKind::Line(line) => match serde_json::from_str::<Event>(&line) {
                Ok(Event::Ready { detail }) => {
                    run.ready_unix_ns = Some(event.time_unix_ns);
                    run.detail = detail;
                }
                Ok(Event::Progress { done, total }) => run.progress = (done, total),
                Ok(Event::BadInput { what, why }) => run.problems.push(format!("{what}: {why}")),
                Ok(Event::Measured { metric, value }) => run.measured(metric, value),
                Ok(Event::Finished(summary)) => run.summary = Some(summary),
                Err(_) => match serde_json::from_str::<Metric>(&line) {
                    Ok(Metric { metric, value }) if run.plan.own.is_some() => {
                        run.measured(metric, value);
                    }
                    _ => run.log.push(line),
                },
            },
            RunEventKind::Log(line) => run.log.push(line),
            RunEventKind::Missed(count) => run.missed += count,
            RunEventKind::Exit(exit) => {
                run.ended_unix_ns = Some(event.time_unix_ns);
                run.exit = Some(exit);
            }
        }
    }

    pub(super) fn drain(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
    }

    /// Waits for one more event; `false` when there will be none.
    async fn next(&mut self) -> bool {
        match self.events.recv().await {
            Some(event) => {
                self.take(event);
                true
            }
            None => false,
        }
    }

    fn failure(&self) -> Option<Error> {
        let run = &self.run;
        if run.is_complete() || (run.exit.is_none() && !run.lost) {
            return None;
        }
        Some(Error::Agent {
            doing: format!("run {}", run.plan.spec.application),
            node: run.plan.node.clone(),
            why: run.how_ended(),
        })
    }

    /// Why its events ended before it did.
    fn lost(&mut self) -> Error {
        let ended = (&mut self.watcher).now_or_never();
        let why = match ended {
            Some(Ok(Err(error))) => continuum_host::error::chain(&error),
            _ => "the connection to its agent broke".to_owned(),
        };
        Error::Agent {
            doing: format!("watch run {}", self.run.plan.id),
            node: self.run.plan.node.clone(),
            why: format!("{why}: the node is lost"),
        }
    }
}

/// Until somebody listens there; for ever without a socket.
async fn answers(socket: Option<&str>) {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    while tokio::net::TcpStream::connect(socket).await.is_err() {
        tokio::time::sleep(CONNECT_EVERY).await;
    }
}

/// Waits until all of them serve. What nobody but us sees to be ready is noted by its node's clock, as everything else of
/// a run is.
pub(super) async fn wait_ready(
    session: &Session,
    measurement: &Measurement,
    started: &mut [Watched],
) -> Result<(), Error> {
    let deadline = Instant::now() + READY_DEADLINE;
    for one in started {
        let own = one.run.plan.own.clone();
        // Nobody waits for what serves nobody.
        if own.as_ref().is_some_and(|o| !o.is_service) {
            continue;
        }
        let socket = own.as_ref().and_then(UserContainer::socket);
        let offset = measurement.offset(&one.run.plan.node);
        while one.run.ready_unix_ns.is_none() {
            tokio::select! {
                () = answers(socket.as_deref()) => {
                    one.run.ready_unix_ns = Some(offset.to_node(measurement.clock.now()));
                }
                alive = one.next() => {
                    if let Some(error) = one.failure() {
                        return Err(error);
                    }
                    if !alive {
                        one.run.lost = true;
                        return Err(one.lost());
                    }
                }
                () = session.context.cancel.cancelled() => return Err(Error::Interrupted),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(Error::Deadline {
                        what: format!("run {} to be ready", one.run.plan.id),
                        after: READY_DEADLINE,
                        last: one.run.log.last().cloned().unwrap_or_default(),
                    });
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn wait_ended(
    session: &Session,
    watched: &mut [Watched],
    after: Duration,
    load: Load,
) -> Result<(), Error> {
    let context = &session.context;
    let deadline = Instant::now() + after;
    let mut health = NodeHealth::default();
    let mut health_tick = tokio::time::interval(HEALTH_EVERY);
    let mut first_failure: Option<(Error, Instant)> = None;
    let (begun, mut has_warned) = (Instant::now(), false);
    loop {
        for one in &mut *watched {
            one.drain();
            if one.run.exit.is_none() && one.watcher.is_finished() {
                one.drain();
                one.run.lost |= one.run.exit.is_none();
            }
            if first_failure.is_none() {
                let error = if one.run.lost {
                    Some(one.lost())
                } else {
                    one.failure()
                };
                first_failure = error.map(|e| (e, Instant::now()));
            }
        }
        // Services go on until they are told that nobody needs them.
        let is_service = |w: &&Watched| w.run.plan.is_service();
        let mut open = watched
            .iter()
            .filter(|w| w.run.exit.is_none() && !w.run.lost);
        if open.all(|w| is_service(&w)) {
            return first_failure.map_or(Ok(()), |(error, _)| Err(error));
        }
        // The others get a moment to write what they have.
        let is_over = |(_, at): &mut (Error, Instant)| at.elapsed() > Duration::from_secs(3);
        if let Some((error, _)) = first_failure.take_if(is_over) {
            return Err(error);
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Err(Error::Interrupted),
            () = tokio::time::sleep_until(deadline) => {
                let open: Vec<_> = watched
                    .iter()
                    .filter(|w| w.run.exit.is_none())
                    .map(|w| format!("{} ({} done)", w.run.plan.id, w.run.progress.0))
                    .collect();
                return Err(Error::Deadline { what: format!("runs {} to end", open.join(", ")), after, last: String::new() });
            }
            _ = health_tick.tick() => {
                let done: u64 = watched.iter().filter(|w| w.run.plan.phase == Phase::Endpoint).map(|w| w.run.progress.0).sum();
                let total: u64 = watched.iter().filter_map(|w| w.run.progress.1).sum();
                if total > 0 {
                    context.progress.answered(done, total);
                    let behind = load.falls_behind(done, total, begun.elapsed());
                    if let Some(warning) = behind.filter(|_| !std::mem::replace(&mut has_warned, true)) {
                        context.progress.line(&warning);
                    }
                }
                for lost in health.lost_nodes(session).await {
                    if first_failure.is_none() {
                        for one in watched.iter_mut().filter(|w| w.run.plan.node == lost.node) {
                            one.run.lost = true;
                        }
                        first_failure = Some((lost.error(), Instant::now()));
                    }
                }
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
}

/// Ends it and drains its output; one that cannot be ended is lost.
pub(super) async fn stop(one: &mut Watched) {
    let (runner, id) = (Arc::clone(&one.runner), one.run.remote_id.clone());
    let stopped = tokio::time::timeout(super::STOP_DEADLINE, runner.stop(&id));
    if !matches!(stopped.await, Ok(Ok(()))) {
        one.run.lost = true;
        return;
    }
    let all = async { while one.next().await {} };
    tokio::time::timeout(LAST_WORDS, all).await.ok();
}
