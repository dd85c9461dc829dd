//! Starting, watching, ending.

use super::{collect, stage};
use crate::{
    agents::{Agent, ClockOffset, GrpcAgent, MetricsBatch, RunEvent, RunEventKind, RunStart},
    applications::{Application, Phase, RunPlan},
    config::{Benchmark, Config},
    deploy::connect_all,
    error::Error,
    plan::Plan,
    provider::{self, Context},
    report::{NodeRun, Report, Validity},
    state::Deployment,
};
use continuum_workload_core::{clock::AnchoredClock, event::Event, spec::Role};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

/// Agents end their runs when the controller is silent for so long.
const LEASE: Duration = Duration::from_secs(30);
/// For a worker to load its network; minutes under emulation.
const READY_DEADLINE: Duration = Duration::from_mins(6);
/// How often nodes are looked at during a run.
const HEALTH_EVERY: Duration = Duration::from_secs(2);

/// What a run left.
#[derive(Debug)]
pub struct Bench {
    /// Tables and judgement.
    pub report: Report,
    /// Runs with their raw data.
    pub runs: Vec<NodeRun>,
    /// Node metrics.
    pub metrics: BTreeMap<String, MetricsBatch>,
    /// Clocks before and after, by node.
    pub clocks: BTreeMap<String, [ClockOffset; 2]>,
    /// When it began, nanoseconds since 1970.
    pub begun_unix_ns: i64,
}

struct Watched {
    run: NodeRun,
    events: mpsc::Receiver<RunEvent>,
    watcher: JoinHandle<Result<(), Error>>,
    agent: GrpcAgent,
}

/// Runs the application of a config on a live deployment. A run that fails is reported as invalid, with what there is.
pub async fn bench(
    context: &Context,
    deployment: &Deployment,
    config: &Config,
    benchmark: &Benchmark,
    application: &dyn Application,
    plan: &Plan,
) -> Result<Bench, Error> {
    let progress = &context.progress;
    let agents = connect_all(deployment, plan)?;
    let before = progress.stage("clocks", clocks(&agents)).await?;
    let placed = match &benchmark.dataset {
        Some(dir) => {
            progress
                .stage("photos", stage::dataset(dir, plan, &agents))
                .await?
        }
        None => Vec::new(),
    };
    let clock = AnchoredClock::start();
    let begun_unix_ns = clock.now_unix_ns();
    let bench_id: String = uuid::Uuid::new_v4()
        .simple()
        .to_string()
        .chars()
        .take(8)
        .collect();
    let mut metrics = Vec::new();
    for agent in &agents {
        let (sender, receiver) = mpsc::channel(64);
        let own = agent.clone();
        let stream = tokio::spawn(async move { own.stream_metrics(sender).await });
        metrics.push((agent.node().to_owned(), receiver, stream));
    }
    let mut watched = Vec::new();
    let mut failure = None;
    let mut plans = application.runs(plan, benchmark);
    for run in &mut plans {
        point_to(run, &placed);
    }
    let deadline = Duration::from_secs_f64(application.deadline_s(benchmark));
    for phase in [Phase::Worker, Phase::Endpoint] {
        let mut started = Vec::new();
        for run in plans.iter().filter(|r| r.phase == phase) {
            match start(&agents, run, &bench_id, &clock).await {
                Ok(run) => started.push(run),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if started.is_empty() {
            continue;
        }
        let name = if phase == Phase::Worker {
            "workers"
        } else {
            "endpoints"
        };
        let result = if failure.is_some() {
            Ok(())
        } else {
            progress
                .stage(name, wait_ready(&mut started, context))
                .await
        };
        watched.extend(started);
        failure = failure.or(result.err());
        if failure.is_some() {
            break;
        }
    }
    if failure.is_none() {
        let ends = wait_ended(context, deployment, config, &mut watched, deadline);
        failure = progress.stage("run", ends).await.err();
    }
    for one in &mut watched {
        if failure.is_some() && one.run.exit.is_none() {
            let stopped = tokio::time::timeout(
                Duration::from_secs(10),
                one.agent.stop_run(&one.run.remote_id),
            );
            if !matches!(stopped.await, Ok(Ok(()))) {
                one.run.lost = true;
            }
        }
        one.drain();
        one.watcher.abort();
    }
    let mut runs = Vec::new();
    for one in watched {
        let Watched { mut run, agent, .. } = one;
        if let Err(error) = collect::samples(&agent, &mut run).await {
            run.problems.push(crate::error::chain(&error));
        }
        runs.push(run);
    }
    let after = clocks(&agents).await.unwrap_or_default();
    let clocks = before
        .into_iter()
        .map(|(node, offset)| {
            let later = after.get(&node).copied().unwrap_or(offset);
            (node, [offset, later])
        })
        .collect();
    let metrics = collect::metrics(metrics).await;
    let mut report = application.report(plan, benchmark, &runs);
    if let Some(error) = &failure {
        report.invalid.insert(0, crate::error::chain(error));
    }
    judge(&mut report, config, deployment);
    if context.cancel.is_cancelled() {
        return Err(Error::Interrupted);
    }
    Ok(Bench {
        report,
        runs,
        metrics,
        clocks,
        begun_unix_ns,
    })
}

/// The user's photos lie elsewhere on each node.
fn point_to(run: &mut RunPlan, placed: &[(String, String)]) {
    let Some((_, dir)) = placed.iter().find(|(node, _)| *node == run.node) else {
        return;
    };
    match &mut run.spec.role {
        Role::Publisher(publisher) => publisher.dataset.clone_from(dir),
        Role::Combined(combined) => combined.dataset.clone_from(dir),
        Role::Subscriber(_) | Role::Sleep(_) => {}
    }
}

fn judge(report: &mut Report, config: &Config, deployment: &Deployment) {
    report.validity = if report.invalid.is_empty() {
        Validity::Unverified
    } else {
        Validity::Invalid
    };
    report
        .notes
        .push("links and machines were not measured: asked and real values may differ".into());
    if let Some(accelerator) = deployment
        .facts()
        .get("accelerator")
        .filter(|a| *a != "kvm")
    {
        report.notes.push(format!("accelerator: {accelerator}"));
    }
    let emulates = provider::find(&config.infrastructure.provider)
        .is_ok_and(super::super::provider::Provider::emulates_network);
    if config.network.is_emulated() && !emulates {
        report
            .notes
            .push("links were asked for and NOT emulated".into());
    }
    if !emulates {
        report
            .notes
            .push("nodes share this machine; CPU and memory limits are not enforced".into());
    }
}

async fn clocks(agents: &[GrpcAgent]) -> Result<BTreeMap<String, ClockOffset>, Error> {
    let offsets = agents.iter().map(|agent| async move {
        agent
            .clock_offset()
            .await
            .map(|offset| (agent.node().to_owned(), offset))
    });
    Ok(futures_util::future::try_join_all(offsets)
        .await?
        .into_iter()
        .collect())
}

async fn start(
    agents: &[GrpcAgent],
    plan: &RunPlan,
    bench_id: &str,
    clock: &AnchoredClock,
) -> Result<Watched, Error> {
    let agent = agents
        .iter()
        .find(|a| a.node() == plan.node)
        .ok_or_else(|| {
            Error::other(
                format!("start run {}", plan.id),
                format!("there is no node {}", plan.node),
            )
        })?;
    let remote_id = format!("{bench_id}-{}", plan.id);
    let spec_json = serde_json::to_string(&plan.spec)
        .map_err(|e| Error::other(format!("describe run {}", plan.id), e))?;
    let asked_unix_ns = clock.now_unix_ns();
    let started = agent
        .start_run(RunStart {
            id: remote_id.clone(),
            spec_json,
            cpu_cores: plan.cpu_cores,
            memory_bytes: plan.memory_mib << 20,
            lease: LEASE,
        })
        .await?;
    let (sender, events) = mpsc::channel(1024);
    let watcher = tokio::spawn({
        let (agent, id) = (agent.clone(), remote_id.clone());
        async move { agent.watch_run(&id, sender).await }
    });
    Ok(Watched {
        run: NodeRun::new(plan.clone(), remote_id, asked_unix_ns, started),
        events,
        watcher,
        agent: agent.clone(),
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
                Ok(Event::Finished(summary)) => run.summary = Some(summary),
                Err(_) => run.log.push(line),
            },
            RunEventKind::Log(line) => run.log.push(line),
            RunEventKind::Exit(exit) => {
                run.ended_unix_ns = Some(event.time_unix_ns);
                run.exit = Some(exit);
            }
        }
    }

    fn drain(&mut self) {
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
}

async fn wait_ready(started: &mut [Watched], context: &Context) -> Result<(), Error> {
    let deadline = Instant::now() + READY_DEADLINE;
    for one in started {
        while one.run.ready_unix_ns.is_none() {
            tokio::select! {
                alive = one.next() => {
                    if let Some(error) = one.failure() {
                        return Err(error);
                    }
                    if !alive {
                        one.run.lost = true;
                        return Err(lost(&one.run));
                    }
                }
                () = context.cancel.cancelled() => return Err(Error::Interrupted),
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

fn lost(run: &NodeRun) -> Error {
    Error::Agent {
        doing: format!("watch run {}", run.plan.id),
        node: run.plan.node.clone(),
        why: "the connection to its agent broke: the node is lost".into(),
    }
}

async fn wait_ended(
    context: &Context,
    deployment: &Deployment,
    config: &Config,
    watched: &mut [Watched],
    after: Duration,
) -> Result<(), Error> {
    let provider = provider::find(&config.infrastructure.provider)?;
    let deadline = Instant::now() + after;
    let mut health = tokio::time::interval(HEALTH_EVERY);
    let mut first_failure: Option<(Error, Instant)> = None;
    loop {
        for one in &mut *watched {
            one.drain();
            if one.run.exit.is_none() && one.watcher.is_finished() {
                one.drain();
                one.run.lost |= one.run.exit.is_none();
            }
            if first_failure.is_none() {
                let error = if one.run.lost {
                    Some(lost(&one.run))
                } else {
                    one.failure()
                };
                first_failure = error.map(|e| (e, Instant::now()));
            }
        }
        if watched.iter().all(|w| w.run.exit.is_some() || w.run.lost) {
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
            _ = health.tick() => {
                let done: u64 = watched.iter().filter(|w| w.run.plan.phase == Phase::Endpoint).map(|w| w.run.progress.0).sum();
                let total: u64 = watched.iter().filter_map(|w| w.run.progress.1).sum();
                context.progress.say(&format!("{done} of {total} photos answered"));
                for state in provider.states(context, deployment).await? {
                    if state.state != "running" && first_failure.is_none() {
                        let error = Error::Agent {
                            doing: "go on with the run".into(),
                            node: state.node.clone(),
                            why: format!("the node is {}", state.state),
                        };
                        for one in watched.iter_mut().filter(|w| w.run.plan.node == state.node) {
                            one.run.lost = true;
                        }
                        first_failure = Some((error, Instant::now()));
                    }
                }
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
}
