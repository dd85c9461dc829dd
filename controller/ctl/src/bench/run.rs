//! Starting, watching, ending.

use super::{
    boots::{boots_of, check_boots, same_boots},
    clock_watch::clock_notes,
    collect::{Collected, Observers},
    dataset, functions,
    live_run::LiveRunFile,
    load::Load,
    measurement::Measurement,
    placement::RunPlacement,
    run_watch::{Watched, start, wait_ended, wait_ready},
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
use continuum_host::error::{Error, chain};
use continuum_model::{
    ClockOffset, ControllerClock, NodeRun, Phase, Report, RunPlan, Verification, VerifyMode,
};
use continuum_plan::{
    Hops, NOT_EMULATED,
    applications::{self, Application},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Runs the application of a config on a live deployment. A run that fails is reported as invalid, with what there is.
pub(super) async fn run(
    session: &Arc<Session>,
    benchmark: &Benchmark,
    application: &dyn Application,
    live: &Arc<LiveRunFile>,
    mode: VerifyMode,
) -> Result<Bench, Error> {
    let Session { context, plan, .. } = &**session;
    let progress = &context.progress;
    let nodes = async {
        // Of a run that was killed: there is no other now.
        deploy::end_timelines(session).await?;
        let boots = boots_of(session).await;
        check_boots(session, &boots).map(|()| boots)
    };
    let boots = progress.stage("nodes", nodes).await?;
    let verified_before = verified(session, mode, "verify").await?;
    let clocks = progress
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
    let measurement = measurement(session, benchmark, application, clock, clocks, &placed)?;
    let mut timeline = Timeline::new(session, benchmark, &measurement.id, live)?;
    let prepare = RunPlacement::open(session, &measurement, timeline.length());
    let placement = progress.stage("prepare", prepare).await?;
    if benchmark.cache_worker {
        let warm_up = warm_up(session, &measurement, &placement);
        progress.stage("warm-up", warm_up).await?;
    }
    if plan.execution_model.is_some() {
        let deploy = functions::deploy(session, benchmark);
        progress.stage("deploy functions", deploy).await?;
    }
    let observers = Observers::start(session, &measurement)?;
    let (mut watched, mut failure) = start_all(session, &measurement, &placement).await;
    let mut load_unix_ns = begun_unix_ns;
    if failure.is_none() {
        failure = traces::start(session).await.err();
    }
    if failure.is_none() {
        load_unix_ns = clock.now();
        live.load_began(load_unix_ns, &measurement);
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
    let collect = observers.collect(session, &measurement, &placement, watched, begun_unix_ns);
    let collected = progress.part("collect", collect).await;
    let tables = async { tables(session, benchmark, application, &collected) };
    let mut report = progress.part("report", tables).await;
    if let Some(error) = &failure {
        report.invalid.insert(0, chain(error));
    }
    report
        .invalid
        .extend(collected.runs.iter().filter_map(NodeRun::gap));
    same_boots(&mut report, &boots, &collected.boots);
    let verified_after = match &failure {
        None if !context.cancel.is_cancelled() => verified(session, mode, "verify again").await,
        // A run that is of no use anyhow.
        _ => Ok(None),
    };
    let verified_after = verified_after.unwrap_or_else(|error| {
        report.invalid.push(chain(&error));
        None
    });
    let verification = BenchVerification {
        before: verified_before,
        after: verified_after,
    };
    assess_validity(&mut report, session, &verification);
    report.notes.extend(clock_notes(&collected.clock_tracks));
    traces::tell(&followed, &mut report);
    let functions = collected.functions.unwrap_or_default();
    Ok(Bench {
        report,
        runs: collected.runs,
        metrics: collected.metrics,
        clocks: collected.clocks,
        clock_tracks: collected.clock_tracks,
        begun_unix_ns,
        load_unix_ns,
        interrupted: context.cancel.is_cancelled(),
        controller_events,
        consoles: collected.consoles,
        traces: followed,
        verification,
        functions: functions.samples,
        function_pods: functions.pods,
    })
}

/// What is to run, with an id of its own. `placed` are the directories of the user's photos, by node.
fn measurement(
    session: &Session,
    benchmark: &Benchmark,
    application: &dyn Application,
    clock: ControllerClock,
    clocks: BTreeMap<String, ClockOffset>,
    placed: &[(String, String)],
) -> Result<Measurement, Error> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut runs = application.runs(&session.plan, benchmark);
    if runs.is_empty() {
        return Err(Error::Preflight {
            name: session.config.name.clone(),
            reasons: vec![format!(
                "application {} would run nowhere: there are neither workers nor endpoints for it",
                benchmark.kind()
            )],
        });
    }
    for run in &mut runs {
        point_to(run, placed);
    }
    Ok(Measurement {
        id: id.chars().take(8).collect(),
        runs,
        kube_deployment: benchmark.kube_deployment,
        deadline: Duration::from_secs_f64(application.deadline_s(benchmark)),
        clock,
        clocks,
    })
}

/// What the application makes of its runs, and what is known of the functions that they called.
fn tables(
    session: &Session,
    benchmark: &Benchmark,
    application: &dyn Application,
    collected: &Collected,
) -> Report {
    let Collected {
        runs,
        clocks,
        metrics,
        functions,
        ..
    } = collected;
    let mut report = application.report(&session.plan, benchmark, runs, clocks);
    let hops = hops(session, benchmark);
    application.predict(&mut report, &session.plan, runs, clocks, &hops);
    let samples = metrics.iter().map(|(n, m)| (n.as_str(), &*m.batch.samples));
    application.add_samples(&mut report, runs, clocks, &samples.collect());
    if let Some(seen) = functions {
        applications::add_function_table(&mut report, runs, &seen.samples);
        applications::add_start_table(&mut report, &seen.pods);
    }
    report
}

/// Links as they were asked for while the run lasted, if they were the same all the time.
fn hops(session: &Session, benchmark: &Benchmark) -> Hops {
    let Session { config, plan, .. } = session;
    if !session.provider.capabilities().emulates_network {
        return Hops::unknown(NOT_EMULATED);
    }
    // What cannot be read is a reason against the result already.
    let requests = deploy::link_requests(&session.deployment).unwrap_or_default();
    Hops::new(&plan.nodes, &config.network, &requests, &benchmark.timeline)
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

/// The user's photos lie elsewhere on each node.
fn point_to(run: &mut RunPlan, placed: &[(String, String)]) {
    let Some((_, dir)) = placed.iter().find(|(node, _)| *node == run.node) else {
        return;
    };
    for dataset in run.spec.role.datasets_mut() {
        dataset.clone_from(dir);
    }
}
