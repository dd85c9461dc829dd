//! Starting, watching, ending.

use super::{
    boots::{boots_of, check_boots, same_boots},
    clock_offsets::clocks_of_answering,
    clock_watch::{ClockWatch, clock_notes},
    collect, dataset, functions,
    live_run::LiveRunFile,
    load::Load,
    measurement::Measurement,
    placement::RunPlacement,
    run_watch::{Watched, start, stop, wait_ended, wait_ready},
    timeline::Timeline,
    traces,
    validity::assess_validity,
    warm_up::warm_up,
};
use crate::{
    deploy,
    report::{Bench, BenchVerification},
    session::Session,
    verify::{self, Scope},
};
use continuum_config::Benchmark;
use continuum_host::error::Error;
use continuum_model::{
    ClockPair, ClockTrack, Clocks, ControllerClock, NodeRun, Phase, RunPlan, Verification,
    VerifyMode, node_name,
};
use continuum_plan::applications::{self, Application};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Runs the application of a config on a live deployment. A run that fails is reported as invalid, with what there is.
pub(super) async fn run(
    session: &Arc<Session>,
    benchmark: &Benchmark,
    application: &dyn Application,
    live: &Arc<LiveRunFile>,
    mode: VerifyMode,
) -> Result<Bench, Error> {
    let Session {
        context,
        plan,
        config,
        deployment,
        provider,
        ..
    } = &**session;
    let progress = &context.progress;
    let nodes = async {
        // Of a run that was killed: there is no other now.
        deploy::end_timelines(session).await?;
        let boots = boots_of(session).await;
        check_boots(session, &boots).map(|()| boots)
    };
    let boots = progress.stage("nodes", nodes).await?;
    let verified_before = verified(session, mode, "verify").await?;
    let before = progress
        .stage("clocks", deploy::set_clocks(session))
        .await?;
    let placed = match benchmark.dataset() {
        Some(dir) => {
            progress
                .stage("photos", dataset::send(session, dir))
                .await?
        }
        None => Vec::new(),
    };
    let clock = ControllerClock::start();
    let begun_unix_ns = clock.now();
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut measurement = Measurement {
        id: id.chars().take(8).collect(),
        runs: application.runs(plan, benchmark),
        kube_deployment: benchmark.kube_deployment,
        deadline: Duration::from_secs_f64(application.deadline_s(benchmark)),
        clock,
        clocks: before,
    };
    if measurement.runs.is_empty() {
        return Err(Error::Preflight {
            name: config.name.clone(),
            reasons: vec![format!(
                "application {} would run nowhere: there are neither workers nor endpoints for it",
                benchmark.kind()
            )],
        });
    }
    for run in &mut measurement.runs {
        point_to(run, &placed);
    }
    let mut timeline = Timeline::new(session, benchmark, &measurement.id, live)?;
    let prepare = RunPlacement::open(session, &measurement, timeline.length());
    let placement = progress.stage("prepare", prepare).await?;
    if benchmark.cache_worker {
        let warm_up = warm_up(session, &measurement, &placement);
        progress.stage("warm-up", warm_up).await?;
    }
    let calls_functions = plan.execution_model.is_some();
    if calls_functions {
        let deploy = functions::deploy(session, benchmark);
        progress.stage("deploy functions", deploy).await?;
    }
    let sampler = calls_functions.then(|| functions::FunctionSampler::start(session, clock));
    let sampler = sampler.transpose()?;
    let metrics = collect::Metrics::start(session);
    let clock_watch = ClockWatch::start(session, clock, &measurement.clocks);
    let (mut watched, mut failure) = start_all(session, &measurement, &placement).await;
    let mut load_unix_ns = begun_unix_ns;
    if failure.is_none() {
        failure = traces::start(session).await.err();
    }
    if failure.is_none() {
        load_unix_ns = clock.now();
        live.load_began(load_unix_ns);
        timeline.begin();
        let ends = wait_ended(
            session,
            &mut watched,
            measurement.deadline,
            Load::of(benchmark),
        );
        failure = progress.stage("run", ends).await.err();
    }
    let restored = async {
        let followed = traces::followed(session).await;
        (followed, timeline.finish(failure.is_some()).await)
    };
    let (followed, (controller_events, untimely)) = progress.part("restore", restored).await;
    failure = failure.or(untimely);
    if failure.is_none() {
        // Services that are left: nobody needs them any more.
        for one in watched.iter_mut().filter(|one| one.run.exit.is_none()) {
            one.run.was_dismissed = true;
        }
    }
    let collected = async {
        let mut runs = gather(session, watched).await;
        let complete = placement.complete(session, &measurement, &mut runs, begun_unix_ns);
        complete.await;
        let after = clocks_of_answering(session).await;
        let silent = plan.nodes.iter().filter(|n| !after.contains_key(&n.name));
        let mut consoles = BTreeMap::new();
        for node in silent {
            let console = provider.console(context, deployment, &node.name).await;
            consoles.extend(console.map(|text| (node.name.clone(), text)));
        }
        let clock_tracks = clock_watch.finish(&after);
        let clocks = measurement.clocks.iter().map(|(node, before)| {
            let pair = ClockPair {
                before: *before,
                after: after.get(node).copied(),
                stepped_ns: clock_tracks.get(node).map_or(0, ClockTrack::stepped_ns),
            };
            (node.clone(), pair)
        });
        let clocks: Clocks = clocks.collect();
        let metrics = metrics.finish().await;
        let seen = match sampler {
            Some(sampler) => Some(sampler.finish(session, &clocks, begun_unix_ns).await),
            None => None,
        };
        let boots_after = boots_of(session).await;
        (
            runs,
            consoles,
            (clocks, clock_tracks),
            metrics,
            seen,
            boots_after,
        )
    };
    let (runs, consoles, (clocks, clock_tracks), metrics, seen, boots_after) =
        progress.part("collect", collected).await;
    let tables = async {
        let mut report = application.report(plan, benchmark, &runs, &clocks);
        let samples = metrics.iter().map(|(n, m)| (n.as_str(), &*m.batch.samples));
        application.add_samples(&mut report, &runs, &clocks, &samples.collect());
        report
    };
    let mut report = progress.part("report", tables).await;
    let mut function_samples = Vec::new();
    let mut function_pods = Vec::new();
    if let Some(seen) = seen {
        applications::add_function_table(&mut report, &runs, &seen.samples);
        applications::add_start_table(&mut report, &seen.pods);
        (function_samples, function_pods) = (seen.samples, seen.pods);
    }
    if let Some(error) = &failure {
        report
            .invalid
            .insert(0, continuum_host::error::chain(error));
    }
    report.invalid.extend(runs.iter().filter_map(NodeRun::gap));
    same_boots(&mut report, &boots, &boots_after);
    let verified_after = match &failure {
        None if !context.cancel.is_cancelled() => verified(session, mode, "verify again").await,
        // A run that is of no use anyhow.
        _ => Ok(None),
    };
    let verified_after = verified_after.unwrap_or_else(|error| {
        report.invalid.push(continuum_host::error::chain(&error));
        None
    });
    let verification = BenchVerification {
        before: verified_before,
        after: verified_after,
    };
    assess_validity(&mut report, session, &verification);
    report.notes.extend(clock_notes(&clock_tracks));
    traces::tell(&followed, &mut report);
    Ok(Bench {
        report,
        runs,
        metrics,
        clocks,
        clock_tracks,
        begun_unix_ns,
        load_unix_ns,
        interrupted: context.cancel.is_cancelled(),
        controller_events,
        consoles,
        traces: followed,
        verification,
        functions: function_samples,
        function_pods,
    })
}

/// Whether links and machines are what was asked for, as far as that is to be measured; nothing when its user does not
/// want to know any more.
async fn verified(
    session: &Session,
    mode: VerifyMode,
    stage: &str,
) -> Result<Option<Verification>, Error> {
    if mode == VerifyMode::Off {
        return Ok(None);
    }
    let verify = async {
        tokio::select! {
            verified = verify::verify(session, mode, Scope::All) => verified.map(Some),
            () = session.context.cancel.cancelled() => Ok(None),
        }
    };
    session.context.progress.stage(stage, verify).await
}

/// Starts every run, workers first; those that were started before one failed are brought back too.
async fn start_all(
    session: &Session,
    measurement: &Measurement,
    placement: &RunPlacement,
) -> (Vec<Watched>, Option<Error>) {
    let mut watched = Vec::new();
    let mut failure = None;
    for (phase, name) in [(Phase::Worker, "workers"), (Phase::Endpoint, "endpoints")] {
        let runs = measurement.runs.iter().filter(|r| r.phase == phase);
        let runs: Vec<_> = runs.collect();
        if runs.is_empty() {
            continue;
        }
        let mut started = Vec::new();
        let ready = async {
            for run in runs {
                let runner = placement.of(run, session)?;
                started.push(start(runner, run, measurement).await?);
            }
            if phase == Phase::Worker && placement.is_together() {
                // The first one asked for all of them.
                let asked = started.first().map(|one| one.run.asked_unix_ns);
                for one in &mut started {
                    one.run.asked_unix_ns = asked.unwrap_or(one.run.asked_unix_ns);
                }
            }
            wait_ready(session, measurement, &mut started).await
        };
        let result = session.context.progress.stage(name, ready).await;
        watched.extend(started);
        failure = result.err();
        if failure.is_some() {
            break;
        }
    }
    (watched, failure)
}

/// Ends what still runs, and brings everything that runs left.
async fn gather(session: &Session, mut watched: Vec<Watched>) -> Vec<NodeRun> {
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
            run.problems.push(continuum_host::error::chain(&error));
        }
        if let Err(error) = collect::calls(&*runner, &mut run).await {
            run.problems.push(continuum_host::error::chain(&error));
        }
        if let Some(pod) = runner.pod() {
            run.started.cpu_max.clone_from(&pod.cpu_max);
            run.started.memory_max.clone_from(&pod.memory_max);
            // The scheduler may have had it otherwise.
            let actual = session
                .plan
                .nodes
                .iter()
                .find(|n| node_name(&n.name) == pod.node);
            if let Some(node) = actual {
                run.plan.node.clone_from(&node.name);
            }
            run.pod = Some(pod);
        }
        runs.push(run);
    }
    runs
}

/// The user's photos lie elsewhere on each node.
fn point_to(run: &mut RunPlan, placed: &[(String, String)]) {
    let Some((_, dir)) = placed.iter().find(|(node, _)| *node == run.node) else {
        return;
    };
    for dataset in run.spec.role.datasets_mut() {
        dataset.clone_from(dir);
    }
}
