//! Starting, watching, ending.

use super::{
    collect::{self, NodeMetrics},
    functions::{self, FunctionSample},
    places::{Places, Scene},
    stage,
    timeline::{Happening, Timeline},
    watch::{Watched, start, wait_ended, wait_ready},
};
use crate::{
    agents::{Agent, ClockOffset, GrpcAgent},
    applications::{Application, Phase, RunPlan},
    cluster::PodRecord,
    config::{Benchmark, Config},
    deploy::{self, connect_all},
    error::Error,
    plan::Plan,
    provider::{self, Context},
    report::{ClockPair, Clocks, NodeRun, Report, Validity},
    state::Deployment,
};
use continuum_workload_core::{
    clock::AnchoredClock,
    spec::{CallBody, Role},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a run left.
#[derive(Debug)]
pub struct Bench {
    /// Tables and judgement.
    pub report: Report,
    /// Runs with their raw data.
    pub runs: Vec<NodeRun>,
    /// Node metrics.
    pub metrics: BTreeMap<String, NodeMetrics>,
    /// Clocks before and after, by node.
    pub clocks: Clocks,
    /// When it began, nanoseconds since 1970.
    pub begun_unix_ns: i64,
    /// The user asked to stop; what there was is here.
    pub interrupted: bool,
    /// What the controller saw and did, in order.
    pub happenings: Vec<Happening>,
    /// The end of the consoles of nodes that did not answer at the end.
    pub consoles: BTreeMap<String, String>,
    /// Functions over time.
    pub functions: Vec<FunctionSample>,
    /// Their replicas.
    pub function_pods: Vec<PodRecord>,
}

/// For a node that may be dead to end a run, or to say who it is.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

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
    let boots = boots_of(&agents).await;
    check_boots(deployment, plan, &boots)?;
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
    let deadline = Duration::from_secs_f64(application.deadline_s(benchmark));
    let mut plans = application.runs(plan, benchmark);
    let scene = Scene {
        context,
        deployment,
        config,
        plan,
        agents: &agents,
        runs: &plans,
    };
    let mut timeline = Timeline::new(&scene, benchmark)?;
    let places = Places::open(&scene, &bench_id, deadline, timeline.length());
    let places = progress.stage("places", places).await?;
    if benchmark.cache_worker {
        let warm_up = warm_up(&scene, &places, &bench_id, &clock, deadline);
        progress.stage("warm-up", warm_up).await?;
    }
    let calls_functions = plan.execution_model.is_some();
    if calls_functions {
        let deploy = functions::deploy(&scene, benchmark);
        progress.stage("deploy functions", deploy).await?;
    }
    let watch = calls_functions.then(|| functions::Watch::start(&scene, clock));
    let watch = watch.transpose()?;
    let metrics = collect::Metrics::start(&agents);
    let mut watched = Vec::new();
    let mut failure = None;
    for run in &mut plans {
        point_to(run, &placed);
    }
    for phase in [Phase::Worker, Phase::Endpoint] {
        let mut started = Vec::new();
        for run in plans.iter().filter(|r| r.phase == phase) {
            let attempt = async {
                let runner = places.of(run, &agents)?;
                start(runner, run, &bench_id, &clock).await
            };
            match attempt.await {
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
                .stage(name, wait_ready(&mut started, context, &clock))
                .await
        };
        watched.extend(started);
        failure = failure.or(result.err());
        if failure.is_some() {
            break;
        }
    }
    if failure.is_none() {
        timeline.begin();
        let ends = wait_ended(context, deployment, config, &mut watched, deadline);
        failure = progress.stage("run", ends).await.err();
    }
    let (happenings, untimely) = timeline.finish(failure.is_some()).await;
    failure = failure.or(untimely);
    if failure.is_none() {
        // Services that are left: nobody needs them any more.
        for one in watched.iter_mut().filter(|one| one.run.exit.is_none()) {
            one.run.was_dismissed = true;
        }
    }
    if watched.iter().any(|one| one.run.exit.is_none()) {
        // Side by side: each dead node takes its whole deadline.
        let ends = watched
            .iter_mut()
            .filter(|one| one.run.exit.is_none())
            .map(stop);
        futures_util::future::join_all(ends).await;
    }
    for one in &mut watched {
        one.drain();
        one.watcher.abort();
    }
    let mut runs = Vec::new();
    for one in watched {
        let Watched {
            mut run, runner, ..
        } = one;
        if let Err(error) = collect::samples(&*runner, &mut run).await {
            run.problems.push(crate::error::chain(&error));
        }
        if let Err(error) = collect::calls(&*runner, &mut run).await {
            run.problems.push(crate::error::chain(&error));
        }
        if let Some(pod) = runner.pod() {
            run.started.cpu_max.clone_from(&pod.cpu_max);
            run.started.memory_max.clone_from(&pod.memory_max);
            run.pod = Some(pod);
        }
        runs.push(run);
    }
    places.complete(&mut runs, &agents, begun_unix_ns).await;
    let after = clocks_of_answering(&agents).await;
    let silent = plan.nodes.iter().filter(|n| !after.contains_key(&n.name));
    let provider = provider::find(&config.infrastructure.provider)?;
    let mut consoles = BTreeMap::new();
    for node in silent {
        let console = provider.console(context, deployment, &node.name).await;
        consoles.extend(console.map(|text| (node.name.clone(), text)));
    }
    let clocks: Clocks = before
        .into_iter()
        .map(|(node, before)| {
            let after = after.get(&node).copied();
            (node, ClockPair { before, after })
        })
        .collect();
    let metrics = metrics.finish().await;
    let mut report = application.report(plan, benchmark, &runs, &clocks);
    let mut function_samples = Vec::new();
    let mut function_pods = Vec::new();
    if let Some(watch) = watch {
        let seen = watch.finish(&agents, plan, begun_unix_ns).await;
        crate::report::functions::add(&mut report, &runs, &seen.samples);
        crate::report::functions::add_starts(&mut report, &seen.pods);
        (function_samples, function_pods) = (seen.samples, seen.pods);
    }
    if let Some(error) = &failure {
        report.invalid.insert(0, crate::error::chain(error));
    }
    same_boots(&mut report, &boots, &boots_of(&agents).await);
    judge(&mut report, config, deployment, plan);
    Ok(Bench {
        report,
        runs,
        metrics,
        clocks,
        begun_unix_ns,
        interrupted: context.cancel.is_cancelled(),
        happenings,
        consoles,
        functions: function_samples,
        function_pods,
    })
}

/// Each worker's application once, unmeasured: afterwards its files are in memory.
async fn warm_up(
    scene: &Scene<'_>,
    places: &Places,
    bench_id: &str,
    clock: &AnchoredClock,
    deadline: Duration,
) -> Result<(), Error> {
    let workers = scene.runs.iter().filter(|r| r.phase == Phase::Worker);
    let mut seen = BTreeSet::new();
    let mut started = Vec::new();
    for run in workers.filter(|r| seen.insert(r.node.clone())) {
        let runner = places.of(run, scene.agents)?;
        let mut warm = run.clone();
        warm.id.push_str("-warm");
        started.push(start(runner, &warm, bench_id, clock).await?);
    }
    let run = async {
        wait_ready(&mut started, scene.context, clock).await?;
        let (context, deployment) = (scene.context, scene.deployment);
        wait_ended(context, deployment, scene.config, &mut started, deadline).await
    };
    let ends = run.await;
    if ends.is_err() {
        futures_util::future::join_all(started.iter_mut().map(stop)).await;
    }
    for one in started {
        one.watcher.abort();
    }
    ends
}

async fn stop(one: &mut Watched) {
    let stopped = tokio::time::timeout(STOP_DEADLINE, one.runner.stop(&one.run.remote_id));
    if !matches!(stopped.await, Ok(Ok(()))) {
        one.run.lost = true;
    }
}

/// Boot and process of each agent that answers.
async fn boots_of(agents: &[GrpcAgent]) -> BTreeMap<String, String> {
    let infos = agents.iter().map(|agent| async move {
        let info = tokio::time::timeout(STOP_DEADLINE, agent.info())
            .await
            .ok()?
            .ok()?;
        Some((agent.node().to_owned(), info.boot()))
    });
    futures_util::future::join_all(infos)
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// A node that was started again in the middle has lost its links, its broker and its runs.
fn same_boots(
    report: &mut Report,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) {
    for (node, boot) in before {
        if after.get(node).is_some_and(|later| later != boot) {
            report.invalid.push(format!(
                "node {node} or its agent was started again during the run"
            ));
        }
    }
}

/// The same for nodes before a run: what `up` made must still be there.
fn check_boots(
    deployment: &Deployment,
    plan: &Plan,
    boots: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut reasons = Vec::new();
    for node in plan.nodes.iter().filter(|n| !boots.contains_key(&n.name)) {
        reasons.push(format!(
            "the agent of node {} does not answer; `continuum-ctl up {}` brings it back",
            node.name,
            deployment.name()
        ));
    }
    for (node, boot) in boots {
        if deployment.boot(node).is_some_and(|made| made != boot) {
            reasons.push(format!(
                "node {node} or its agent was started again, so links and broker are gone; `continuum-ctl up {}` \
                 brings them back",
                deployment.name()
            ));
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::Preflight {
        name: deployment.name().to_owned(),
        reasons,
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
        Role::Invoker(invoker) => {
            for calls in &mut invoker.functions {
                if let CallBody::Photos { dataset } = &mut calls.body {
                    dataset.clone_from(dir);
                }
            }
        }
        Role::Subscriber(_) | Role::Sleep(_) | Role::External => {}
    }
}

/// What readers of a result must know about it, and whether they may use it.
fn judge(report: &mut Report, config: &Config, deployment: &Deployment, plan: &Plan) {
    report.validity = if report.invalid.is_empty() {
        Validity::Unverified
    } else {
        Validity::Invalid
    };
    report
        .notes
        .push("links and machines were not measured: asked and real values may differ".into());
    let changes = deploy::link_changes(deployment).unwrap_or_default();
    if !changes.is_empty() {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        report.notes.push(format!(
            "links are not those of the config: {}",
            changes.join(", ")
        ));
    }
    let physical = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if plan.cores() as usize > physical {
        report.notes.push(format!(
            "{} virtual cores share {physical} physical ones: nodes slow each other down",
            plan.cores()
        ));
    }
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

/// Likewise, without the nodes that do not answer.
async fn clocks_of_answering(agents: &[GrpcAgent]) -> BTreeMap<String, ClockOffset> {
    let offsets = agents.iter().map(|agent| async move {
        let offset = tokio::time::timeout(STOP_DEADLINE, agent.clock_offset())
            .await
            .ok()?
            .ok()?;
        Some((agent.node().to_owned(), offset))
    });
    futures_util::future::join_all(offsets)
        .await
        .into_iter()
        .flatten()
        .collect()
}
