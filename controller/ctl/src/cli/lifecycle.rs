//! up, bench, down, run.

use super::{
    Target, find_config, find_name,
    nodes::{NODE_COLUMNS, node_rows},
    output::{Output, warn},
    ssh,
};
use crate::{
    deploy::{self, Up, timings},
    report::{self, Bench},
};
use continuum_config::{Config, to_toml};
use continuum_host::{
    context::Context,
    error::Error,
    progress::note,
    state::{Deployment, Lock, LockKind},
};
use continuum_model::Validity;
use continuum_plan::applications;
use continuum_provider::Allow;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Options of `up`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UpOptions {
    pub(super) dry_run: bool,
    pub(super) rollback: bool,
    pub(super) allow: Allow,
}

pub(super) async fn up(
    context: &Context,
    output: &Output,
    given: &str,
    set: &[String],
    options: UpOptions,
) -> Result<(), Error> {
    let checked = find_config(context, given, set)?;
    warn(&checked.warnings);
    if options.dry_run {
        return super::dry_run::dry_run(context, output, &checked.config, options.allow).await;
    }
    let up = up_locked(context, &checked.config, options).await?;
    show_up(context, output, &checked.config, &up);
    Ok(())
}

async fn up_locked(context: &Context, config: &Config, options: UpOptions) -> Result<Up, Error> {
    let _lock = Lock::take(&context.root.locks(), &config.name, LockKind::Exclusive)?;
    // What was there before this command is not this command's to remove.
    let existed = Deployment::load(&context.root, &config.name)?.is_some();
    let begun = std::time::Instant::now();
    let result = deploy::up(context, config, options.allow).await;
    let error = match result {
        Ok(up) => {
            warn(&up.warnings);
            let remembered = if existed {
                Ok(())
            } else {
                timings::remember(
                    &context.root,
                    config,
                    up.deployment.provider(),
                    begun.elapsed().as_secs_f64(),
                )
            };
            // It is up, whatever cannot be noted about it.
            for fault in [remembered, ssh::write_files(&up.deployment, &up.plan)] {
                if let Err(error) = fault {
                    let why = continuum_host::error::chain(&error);
                    note(&format!("warning: failed to {why}"));
                }
            }
            return Ok(up);
        }
        Err(error) => error,
    };
    if options.rollback && !existed && matches!(error, Error::Remaining { .. }) {
        note(&format!(
            "error: failed to {}",
            continuum_host::error::chain(&error)
        ));
        note("removing what was made");
        deploy::down(context, &config.name, &config.infrastructure.libvirt_uri).await?;
        return Err(match error {
            Error::Remaining { source, .. } => *source,
            other => other,
        });
    }
    Err(error)
}

fn show_up(context: &Context, output: &Output, config: &Config, up: &Up) {
    context.progress.finish();
    let stages = context.progress.stages();
    output.table(&NODE_COLUMNS, node_rows(&up.plan));
    if up.unchanged {
        output.text(&format!(
            "{} is up already; nothing was changed",
            up.plan.name
        ));
    } else if !stages.is_empty() {
        let rows = stages
            .iter()
            .map(|s| vec![s.stage.clone(), format!("{:.1} s", s.seconds)])
            .collect();
        output.table(&["stage", "time"], rows);
    }
    let lines = ssh::lines(&up.deployment, &up.plan);
    if !lines.is_empty() {
        output.text("To access the VMs:");
        for line in &lines {
            output.text(&format!("\t{line}"));
        }
    }
    let kubeconfig = continuum_cluster::kubeconfig_path(&up.deployment);
    let kubectl = kubeconfig
        .exists()
        .then(|| format!("kubectl --kubeconfig {} get nodes", kubeconfig.display()));
    if let Some(line) = &kubectl {
        output.text("To look into the cluster:");
        output.text(&format!("\t{line}"));
    }
    let gateway = up
        .plan
        .gateway_address()
        .filter(|_| up.plan.execution_model.is_some())
        .map(|address| format!("http://{address}"));
    if let Some(address) = &gateway {
        let name = &up.plan.name;
        output.text(&format!("To call functions, at {address}:"));
        output.text(&format!("\tcontinuum-ctl functions {name} list"));
    }
    output.json(&json!({
        "name": up.plan.name,
        "kubectl": kubectl,
        "gateway": gateway,
        "id": up.deployment.id(),
        "unchanged": up.unchanged,
        "nodes": up.plan.nodes,
        "limits": up.limits,
        "warnings": up.warnings,
        "stage_times": stages,
        "ssh": lines,
        "emulated": config.network.is_emulated(),
        "facts": up.deployment.facts(),
    }));
}

pub(super) async fn bench(
    context: &Context,
    output: &Output,
    given: &str,
    set: &[String],
    results: &Path,
) -> Result<(), Error> {
    let checked = find_config(context, given, set)?;
    warn(&checked.warnings);
    let done = bench_locked(context, &checked.config, results).await?;
    show_bench(context, output, done)
}

/// Benchmark settings may differ from those of `up`; machines, links and software may not.
fn same_machines(live: &Config, wanted: &Config, made_by: &str) -> Result<(), Error> {
    let mut aligned = live.clone();
    deploy::align_provider(&mut aligned, wanted, made_by);
    aligned.benchmark.clone_from(&wanted.benchmark);
    aligned.infrastructure.keep = wanted.infrastructure.keep;
    // Another runtime is only another way to run, if it is there.
    let software = &wanted.software;
    let installed = |runtime: &str| live.software.services.iter().any(|s| s == runtime);
    if software.runtime().is_none_or(installed) {
        let runtime = &mut aligned.software.container_runtime;
        runtime.clone_from(&software.container_runtime);
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

/// A run, where its files are, and whether all of them are there.
struct Done {
    bench: Bench,
    dir: PathBuf,
    written: Result<(), Error>,
}

async fn bench_locked(context: &Context, config: &Config, results: &Path) -> Result<Done, Error> {
    let locks = context.root.locks();
    // In this order: who is refused must not write itself into the lock that the other one shares.
    let alone = format!("{}.bench", config.name);
    let _alone = Lock::take(&locks, &alone, LockKind::Exclusive)
        .map_err(|error| error.of_deployment(&config.name))?;
    let _shared = Lock::take(&locks, &config.name, LockKind::Shared)?;
    let (deployment, live, plan) = deploy::open(context, &config.name)?;
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
    let benchmark = config
        .benchmark
        .as_ref()
        .filter(|_| !config.software.resource_manager_only && !config.infrastructure.infra_only);
    let benchmark = benchmark.ok_or_else(|| Error::Preflight {
        name: config.name.clone(),
        reasons: vec![
            "this config runs no application: it has none, or resource_manager_only or infra_only is set".into(),
        ],
    })?;
    let application = applications::find(&benchmark.application)
        .ok_or_else(|| Error::other("find the application", &benchmark.application))?;
    let dir = report::make_directory(results, &config.name)?;
    let done =
        crate::bench::bench(context, &deployment, config, benchmark, application, &plan).await;
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            // Nothing was measured: an empty directory would look like a result.
            std::fs::remove_dir_all(&dir).ok();
            return Err(error);
        }
    };
    let stages = context.progress.stages();
    // What was measured is shown even where it cannot be kept.
    let written = report::write(&dir, config, &plan, &deployment, &done, &stages);
    Ok(Done {
        bench: done,
        dir,
        written,
    })
}

fn show_bench(context: &Context, output: &Output, done: Done) -> Result<(), Error> {
    let Done {
        bench,
        dir,
        written,
    } = done;
    context.progress.finish();
    let report = &bench.report;
    for table in &report.tables {
        output.text(&table.to_text());
    }
    for table in &report.tables {
        tracing::debug!("Output in csv format\n{}", table.to_csv_repr());
    }
    if !report.stages.is_empty() {
        let rows = report
            .stages
            .iter()
            .map(|(name, p)| {
                let mut row = vec![name.clone(), p.count.to_string()];
                row.extend(
                    [p.p50_ms, p.p90_ms, p.p95_ms, p.p99_ms, p.max_ms].map(|v| format!("{v:.2}")),
                );
                row
            })
            .collect();
        output.table(
            &["stage (ms)", "count", "p50", "p90", "p95", "p99", "max"],
            rows,
        );
    }
    if !report.counts.is_empty() {
        let counts: Vec<String> = report
            .counts
            .iter()
            .map(|(k, v)| format!("{k} {v}"))
            .collect();
        output.text(&format!("photos: {}", counts.join(", ")));
    }
    if !bench.controller_events.is_empty() {
        let rows = bench.controller_events.iter().map(|h| {
            let after_s = (h.time_unix_ns - bench.begun_unix_ns) as f64 / 1e9;
            vec![
                format!("{after_s:.1} s"),
                h.source.to_owned(),
                h.text.clone(),
            ]
        });
        output.table(&["after", "by", "what happened"], rows.collect());
    }
    let validity = match report.validity {
        Validity::Unverified => "unverified",
        Validity::Invalid => "INVALID",
    };
    output.text(&format!("validity: {validity}"));
    for reason in report.invalid.iter().chain(&report.notes) {
        output.text(&format!("  {reason}"));
    }
    output.text(&format!("results: {}", dir.display()));
    output.json(&json!({ "report": report, "results": dir }));
    written?;
    if bench.interrupted {
        return Err(Error::Interrupted);
    }
    if report.validity == Validity::Invalid {
        return Err(Error::InvalidResult {
            reasons: report.invalid.clone(),
        });
    }
    Ok(())
}

pub(super) async fn down(
    context: &Context,
    output: &Output,
    given: Option<String>,
    set: &[String],
    all: bool,
) -> Result<(), Error> {
    let targets = match given {
        Some(given) => vec![find_name(context, &given, set)?],
        None if all => {
            let names = context.root.names()?.into_iter();
            names
                .map(|name| find_name(context, &name, &[]))
                .collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    let mut report = Vec::new();
    let mut failed = None;
    for Target { name, libvirt_uri } in targets {
        if context.cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let removal = async {
            let _lock = Lock::take(&context.root.locks(), &name, LockKind::Exclusive)?;
            deploy::down(context, &name, &libvirt_uri).await
        };
        let removed = match removal.await {
            Ok(removed) => removed,
            // The others are removed all the same.
            Err(error) if all => {
                note(&format!(
                    "error: failed to {}",
                    continuum_host::error::chain(&error)
                ));
                report.push(json!({ "name": name, "error": continuum_host::error::chain(&error) }));
                failed = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        if removed.is_empty() {
            output.text(&format!("{name}: nothing was there to remove"));
        } else {
            output.text(&format!("{name}: removed {}", removed.join(", ")));
        }
        report.push(json!({ "name": name, "removed": removed }));
    }
    output.json(&json!({ "down": report }));
    failed.map_or(Ok(()), Err)
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    given: &str,
    set: &[String],
    keep: bool,
    results: &Path,
    allow: Allow,
) -> Result<(), Error> {
    let checked = find_config(context, given, set)?;
    warn(&checked.warnings);
    let config = &checked.config;
    let options = UpOptions {
        rollback: true,
        allow,
        ..UpOptions::default()
    };
    let up = up_locked(context, config, options).await?;
    let runs_something = config.benchmark.is_some()
        && !config.software.resource_manager_only
        && !config.infrastructure.infra_only;
    let measured = if runs_something {
        match bench_locked(context, config, results).await {
            Ok(done) => show_bench(context, output, done),
            Err(error) => Err(error),
        }
    } else {
        Ok(())
    };
    if keep || config.infrastructure.keep {
        show_up(context, output, config, &up);
        note(&format!(
            "{} stays up; `continuum-ctl down {}` removes it",
            config.name, config.name
        ));
        // A plain failure is told as one that leaves something behind.
        return measured.map_err(|error| Error::Remaining {
            remaining: up.deployment.resource_names(),
            name: config.name.clone(),
            source: Box::new(error),
        });
    }
    let deployment = Deployment::load(&context.root, &config.name)?;
    if deployment.is_some() {
        let _lock = Lock::take(&context.root.locks(), &config.name, LockKind::Exclusive)?;
        let removal = deploy::down(context, &config.name, &config.infrastructure.libvirt_uri);
        let removed = context.progress.stage("down", removal).await?;
        note(&format!("removed {} resources", removed.len()));
    }
    measured
}
