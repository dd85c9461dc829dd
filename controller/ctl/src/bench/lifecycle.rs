//! A bench from its locks to its files.

use super::{live_run::LiveRunFile, run::run};
use crate::{
    deploy,
    report::{Bench, Place},
    session::{self, Session},
};
use continuum_config::{Benchmark, Config, Runtime, to_toml};
use continuum_host::{
    context::Context,
    error::{Error, chain},
    state::{Lock, LockKind},
};
use continuum_model::{ControllerClock, VerifyMode};
use continuum_plan::applications;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Benchmark settings may differ from those of `up`; machines, links and software may not.
fn same_machines(live: &Config, wanted: &Config, made_by: &str) -> Result<(), Error> {
    let mut aligned = live.clone();
    deploy::align_provider(&mut aligned, wanted, made_by);
    aligned.benchmark.clone_from(&wanted.benchmark);
    aligned.infrastructure.keep = wanted.infrastructure.keep;
    // Another runtime is only another way to run, if it is there.
    let software = &wanted.software;
    let installed = |runtime: Runtime| live.software.services.iter().any(|s| s == runtime.name());
    if software.runtime().is_none_or(installed) {
        aligned.software.container_runtime = software.container_runtime;
    }
    if aligned == *wanted {
        return Ok(());
    }
    if let Some(model) = &wanted.software.execution_model
        && deploy::can_upgrade_in_place(&aligned, wanted)
    {
        return Err(Error::Preflight {
            name: wanted.name.clone(),
            reasons: vec![format!(
                "it has no {model} yet; `continuum-ctl up` with this config adds it"
            )],
        });
    }
    let mut wanted_text = wanted.clone();
    wanted_text.benchmark.clone_from(&live.benchmark);
    Err(Error::Different {
        name: wanted.name.clone(),
        difference: deploy::difference(&to_toml(live), &to_toml(&wanted_text)),
    })
}

/// What a config runs, or the refusal where it is for machines alone.
pub fn require_benchmark(config: &Config) -> Result<&Benchmark, Error> {
    config.wanted_benchmark().ok_or_else(|| Error::Preflight {
        name: config.name.clone(),
        reasons: vec![
            "this config runs no application: it has none, or resource_manager_only or infra_only is set".into(),
        ],
    })
}

/// A run, where its files are, and whether all of them are there.
#[derive(Debug)]
pub struct Done {
    /// What it left.
    pub bench: Bench,
    /// Where its files are.
    pub dir: PathBuf,
    /// What was measured is shown even where it cannot be kept.
    pub written: Result<(), Error>,
}

/// Runs what a config asks for on its live deployment, and writes a directory with results below `results`.
pub async fn bench(
    context: &Context,
    config: &Config,
    results: &Path,
    mode: VerifyMode,
) -> Result<Done, Error> {
    let locks = context.root.locks();
    // In this order: who is refused must not write itself into the lock that the other one shares.
    let alone = format!("{}.bench", config.name);
    let _alone = Lock::take(&locks, &alone, LockKind::Exclusive)
        .map_err(|error| error.of_deployment(&config.name))?;
    let _shared = Lock::take(&locks, &config.name, LockKind::Shared)?;
    let (deployment, live, plan) = session::open(context, &config.name)?;
    same_machines(&live, config, deployment.provider())?;
    if !deployment.is_up() {
        return Err(Error::Preflight {
            name: config.name.clone(),
            reasons: vec![format!(
                "it is not up completely; `continuum-ctl up {}` goes on where it stopped",
                config.name
            )],
        });
    }
    deploy::check_links(&deployment).await?;
    let benchmark = require_benchmark(config)?;
    let application = applications::of(benchmark);
    let session = Arc::new(Session::new(context, config, plan, deployment)?);
    let place = Place::look(results, &config.name)?;
    let now = ControllerClock::start().now();
    let (live, _writer) = LiveRunFile::begin(&session, benchmark, now);
    // Its future is large, and part of that of every command that benches.
    let ended = Box::pin(run(&session, benchmark, application, &live, mode)).await;
    live.end(
        ended
            .as_ref()
            .map(|bench| &bench.report)
            .map_err(|error| chain(error)),
    );
    let bench = ended?;
    let stages = context.progress.stages();
    let (plan, deployment) = (&session.plan, &session.deployment);
    let (dir, written) = place.write(config, plan, deployment, &bench, &stages);
    Ok(Done {
        bench,
        dir,
        written,
    })
}
