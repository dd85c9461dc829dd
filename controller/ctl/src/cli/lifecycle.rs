//! up, bench, down, run.

use super::{
    Given, Target, find_config, find_name,
    nodes::{NODE_COLUMNS, node_rows},
    output::{Output, warn},
    show_bench::show_bench,
    ssh, verify,
};
use crate::{
    bench,
    deploy::{self, Up, timings},
    observability::targets,
    report::Place,
};
use continuum_config::Config;
use continuum_host::{
    context::Context,
    error::Error,
    progress::note,
    state::{Deployment, Lock, LockKind},
};
use continuum_model::VerifyMode;
use continuum_provider::Allow;
use serde_json::json;
use std::path::Path;

/// Options of `up`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UpOptions {
    pub(super) dry_run: bool,
    pub(super) rollback: bool,
    pub(super) allow: Allow,
    pub(super) verify: VerifyMode,
}

/// What is measured: upstream's `netperf` asks for all of it.
pub(super) fn verify_mode(config: &Config, asked: VerifyMode) -> VerifyMode {
    match asked {
        VerifyMode::Quick if config.infrastructure.netperf => VerifyMode::Full,
        other => other,
    }
}

/// Somebody works with what is up: a command that ends by removing it leaves it alone.
pub(super) fn require_not_up(context: &Context, name: &str) -> Result<(), Error> {
    let live = Deployment::load(&context.root, name)?;
    if !live.is_some_and(|deployment| deployment.is_up()) {
        return Ok(());
    }
    Err(Error::Preflight {
        name: name.to_owned(),
        reasons: vec![format!(
            "it is up already, and this command would remove it at its end: `continuum-ctl bench {name}` measures on it, \
             `continuum-ctl down {name}` removes it, --set name=… is another one"
        )],
    })
}

/// Options of `run`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunOptions {
    pub(super) keep: bool,
    pub(super) allow: Allow,
    pub(super) verify: VerifyMode,
}

pub(super) async fn up(
    context: &Context,
    output: &Output,
    given: Given<'_>,
    options: UpOptions,
) -> Result<(), Error> {
    let checked = find_config(context, given)?;
    warn(&checked.warnings);
    if options.dry_run {
        return super::dry_run::dry_run(context, output, &checked.config, options.allow).await;
    }
    let config = &checked.config;
    let up = up_locked(context, config, options).await?;
    show_up(context, output, config, &up);
    if up.unchanged && options.verify == VerifyMode::Off {
        return Ok(());
    }
    let mode = verify_mode(config, options.verify);
    verify::after_up(context, output, &config.name, mode).await
}

pub(super) async fn up_locked(
    context: &Context,
    config: &Config,
    options: UpOptions,
) -> Result<Up, Error> {
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
            let targets = targets::write(&context.root, config, &up.plan, targets::DASHBOARD);
            let logins = ssh::write_files(&up.deployment, &up.plan);
            for fault in [remembered, logins, targets.map(drop)] {
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
        deploy::down(
            context,
            &config.name,
            &config.infrastructure.qemu.libvirt_uri,
        )
        .await?;
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
    let targets = targets::path(&context.root, &up.plan.name);
    let targets = targets.exists().then(|| targets.display().to_string());
    if let Some(path) = &targets {
        output.text("For the Prometheus of this host, what it is to read:");
        output.text(&format!("\t{path}"));
    }
    output.json(&json!({
        "name": up.plan.name,
        "prometheus": targets,
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
    given: Given<'_>,
    results: &Path,
    mode: VerifyMode,
) -> Result<(), Error> {
    let checked = find_config(context, given)?;
    warn(&checked.warnings);
    let mode = verify_mode(&checked.config, mode);
    let done = bench::bench(context, &checked.config, results, mode).await?;
    show_bench(context, output, done)
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
    let has_removed = report.iter().any(|r| r["removed"][0].is_string());
    // What cannot be counted is no fault of what was removed.
    let stays = super::image::bytes_that_stay(context).unwrap_or(0);
    if has_removed && stays > 0 {
        output.text(&format!(
            "{} MB that machines start from stay for the next `up`; to remove them too: continuum-ctl image prune --copies",
            stays / 1_000_000
        ));
    }
    output.json(&json!({ "down": report, "copies_that_stay_bytes": stays }));
    failed.map_or(Ok(()), Err)
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    given: Given<'_>,
    results: &Path,
    wanted: RunOptions,
) -> Result<(), Error> {
    let checked = find_config(context, given)?;
    warn(&checked.warnings);
    let config = &checked.config;
    let mode = verify_mode(config, wanted.verify);
    let options = UpOptions {
        rollback: true,
        allow: wanted.allow,
        ..UpOptions::default()
    };
    let stays = wanted.keep || config.infrastructure.keep;
    if !stays {
        require_not_up(context, &config.name)?;
    }
    let runs_something = config.wanted_benchmark().is_some();
    if runs_something {
        Place::look(results, &config.name)?;
    }
    let up = up_locked(context, config, options).await?;
    let measured = if runs_something {
        match bench::bench(context, config, results, mode).await {
            Ok(done) => show_bench(context, output, done),
            Err(error) => Err(error),
        }
    } else {
        verify::after_up(context, output, &config.name, mode).await
    };
    if stays {
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
    down_locked(context, config).await?;
    measured
}

/// Removes what was made for a command that makes and removes.
pub(super) async fn down_locked(context: &Context, config: &Config) -> Result<(), Error> {
    if Deployment::load(&context.root, &config.name)?.is_none() {
        return Ok(());
    }
    let _lock = Lock::take(&context.root.locks(), &config.name, LockKind::Exclusive)?;
    let removal = deploy::down(
        context,
        &config.name,
        &config.infrastructure.qemu.libvirt_uri,
    );
    let removed = context.progress.stage("down", removal).await?;
    note(&format!("removed {} resources", removed.len()));
    Ok(())
}
