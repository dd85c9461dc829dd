//! The command line. Printing happens below this module only.

mod agent;
mod archive;
mod args;
mod artifact;
mod config;
mod dashboard;
mod doctor;
mod dry_run;
mod functions;
mod given;
mod grafana;
mod image;
mod inspect;
mod lifecycle;
mod link_cells;
mod logs;
mod namespace;
mod network;
pub(crate) mod nodes;
mod output;
mod rate;
mod repeat;
mod report;
mod show_bench;
mod ssh;
mod status_watch;
mod sweep;
mod verify;

use crate::error::CommandError;
use args::{Arguments, Command};
use clap::Parser;
use continuum_host::{
    context::Context,
    error::Error,
    exit::Exit,
    process,
    progress::{Progress, note},
    state::StateRoot,
};
use continuum_images::cache::Cache;
use continuum_provider::uml::{namespace as uml_namespace, supervisor};
use dashboard::PageBeside;
use given::{Given, Target, find_config, find_name};
use namespace::Entered;
use output::{Format, Output};
use serde_json::json;
use std::{net::TcpListener, process::ExitCode, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Parses, runs, and turns the outcome into an exit code.
pub fn main() -> ExitCode {
    // What whoever started this program has open is not for what this program starts: a lock would be held for as long as
    // a deployment lives, and a reader at the other end of a pipe would wait for that.
    close_fds::set_fds_cloexec(3, &[]);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            error.print().ok();
            // Help and version are no errors; a wrong command line is a wrong config.
            if !error.use_stderr() {
                return ExitCode::SUCCESS;
            }
            if args::asks_for_json(std::env::args_os()) {
                let output = Output::new(Format::Json);
                output.json(&json!({ "error": error.to_string() }));
                output.finish(Exit::Config as u8);
            }
            return ExitCode::from(Exit::Config as u8);
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("CONTINUUM_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,kube_client=off")),
        )
        .with_target(false)
        .init();
    let output = Output::new(arguments.format);
    match before_threads(&arguments) {
        Ok(entered) => with_threads(arguments, &output, entered),
        Err(error) => finish(&output, &Err(error)),
    }
}

/// What only a process without threads can do; some commands do nothing else.
fn before_threads(arguments: &Arguments) -> Result<Option<Entered>, Error> {
    match &arguments.command {
        Command::Guest { dir } => supervisor::supervise(dir).map(|()| None),
        Command::HoldNamespace { record } => uml_namespace::hold(record).map(|()| None),
        _ => namespace::enter(arguments).map(Some),
    }
}

fn finish(output: &Output, result: &Result<(), Error>) -> ExitCode {
    let exit_code = match result {
        Ok(()) => Exit::Ok as u8,
        Err(error) => {
            output.error(error);
            error.exit_code()
        }
    };
    ExitCode::from(output.finish(exit_code))
}

fn with_threads(arguments: Arguments, output: &Output, entered: Option<Entered>) -> ExitCode {
    let Some(entered) = entered else {
        return ExitCode::SUCCESS;
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            note(&format!("error: failed to start the runtime: {error}"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let result = runtime.block_on(run(arguments, output, entered));
    runtime.shutdown_background();
    finish(output, &result)
}

/// The first interrupt asks to stop, the second stops at once; the state on disk is valid at any time.
fn watch_signals(cancel: CancellationToken) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = CommandError::Signals;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    // A terminal that was closed, unless whoever started this said that it is to go on without one, as `nohup` does.
    let mut hang_up = if process::is_hang_up_ignored() {
        None
    } else {
        Some(signal(SignalKind::hangup()).map_err(failed)?)
    };
    tokio::spawn(async move {
        for round in 0..2 {
            let hung_up = async {
                match &mut hang_up {
                    Some(hang_up) => hang_up.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hung_up => {}
            }
            if round == 0 {
                note("stopping; once more to stop at once");
                cancel.cancel();
            }
        }
        #[expect(clippy::exit, reason = "the second interrupt means now")]
        std::process::exit(Exit::Interrupted as i32);
    });
    Ok(())
}

async fn run(arguments: Arguments, output: &Output, mut entered: Entered) -> Result<(), Error> {
    let format = arguments.format;
    if format == Format::Svg && !matches!(arguments.command, Command::Report { .. }) {
        return Err(report::no_figures());
    }
    if !arguments.set.is_empty() && !arguments.command.takes_config() {
        return Err(Error::Words {
            doing: "read --set".into(),
            why: "it changes values of a config, and this command takes none; those of a deployment are changed by `up` and \
                  `bench`, links by `network NAME set`"
                .into(),
        });
    }
    let command = match arguments.command {
        // They need no state directory, so they make none.
        Command::Config { action } => return config::run(output, action, &arguments.set),
        Command::Report { dir } => return report::report(output, format, &dir),
        Command::Bundle { dir, file } => return archive::bundle(output, &dir, file),
        Command::Compare { dirs, page } => {
            return report::compare(output, &dirs, page.as_deref());
        }
        command => command,
    };
    let root = if command.only_looks() {
        StateRoot::to_look_at()
    } else {
        StateRoot::of_user()
    };
    let context = Context {
        root: root?,
        cache: Cache::of_user()?,
        progress: Arc::new(Progress::new(arguments.quiet)),
        cancel: CancellationToken::new(),
        chosen: entered.chosen.clone(),
    };
    watch_signals(context.cancel.clone())?;
    let result = with_page(&context, output, &arguments.set, command, &mut entered).await;
    context.progress.finish();
    let left = namespace::leave(&context.root, &entered).await;
    result.and(left)
}

/// Beside the dashboard, if that is wanted.
async fn with_page(
    context: &Context,
    output: &Output,
    set: &[String],
    command: Command,
    entered: &mut Entered,
) -> Result<(), Error> {
    let (page, shown) = match entered.dashboard.take() {
        Some((given, listener)) if command.page().is_some() => {
            let name = find_config(context, Given::new(&given, set))?.config.name;
            let page = PageBeside::start(context, name, command.results(), listener)?;
            (Some(page), None)
        }
        shown => (None, shown),
    };
    let result = with_context(context, output, set, command, shown).await;
    if let Some(page) = page {
        page.end().await;
    }
    result
}

/// Commands that need the state directory.
async fn with_context(
    context: &Context,
    output: &Output,
    set: &[String],
    command: Command,
    shown: Option<(String, TcpListener)>,
) -> Result<(), Error> {
    match command {
        Command::Up {
            config,
            dry_run,
            rollback,
            allow,
            verify,
            ..
        } => {
            let options = lifecycle::UpOptions {
                verify: verify.into(),
                dry_run,
                rollback,
                allow: allow.into(),
            };
            lifecycle::up(context, output, Given::new(&config, set), options).await
        }
        Command::Bench {
            config,
            repeat,
            results,
            verify,
            ..
        } => {
            let mode = verify.into();
            if repeat == 1 {
                lifecycle::bench(context, output, Given::new(&config, set), &results, mode).await
            } else {
                repeat::bench(
                    context,
                    output,
                    Given::new(&config, set),
                    &results,
                    repeat,
                    mode,
                )
                .await
            }
        }
        Command::Down { config, all } => lifecycle::down(context, output, config, set, all).await,
        Command::Run {
            config,
            keep,
            results,
            allow,
            verify,
            ..
        } => {
            let options = lifecycle::RunOptions {
                keep,
                allow: allow.into(),
                verify: verify.into(),
            };
            lifecycle::run(context, output, Given::new(&config, set), &results, options).await
        }
        Command::Sweep {
            config,
            vary,
            results,
            allow,
            verify,
        } => {
            let (given, allow, mode) = (Given::new(&config, set), allow.into(), verify.into());
            sweep::sweep(context, output, given, &vary, results, allow, mode).await
        }
        Command::Rate {
            config,
            search,
            allow,
            verify,
        } => {
            let (given, allow, mode) = (Given::new(&config, set), allow.into(), verify.into());
            rate::rate(context, output, given, search, allow, mode).await
        }
        Command::Repeat {
            archive,
            results,
            allow,
        } => archive::repeat(context, output, &archive, &results, allow.into()).await,
        Command::List => or_interrupted(context, inspect::list(context, output)).await,
        Command::Status {
            name: Some(name),
            watch: true,
        } => status_watch::watch(context, output, &name).await,
        Command::Status { name, .. } => {
            or_interrupted(context, inspect::status(context, output, name)).await
        }
        Command::Dashboard { token, results, .. } => match shown {
            Some((name, listener)) => {
                dashboard::run(context, output, &name, &results, listener, token).await
            }
            None => Ok(()),
        },
        Command::Logs {
            name,
            node,
            source,
            lines,
            grep,
            follow,
        } => {
            let wanted = logs::Wanted {
                node,
                sources: source,
                lines,
                grep,
            };
            if follow {
                logs::follow(context, output, &name, &wanted).await
            } else {
                or_interrupted(context, logs::show(context, output, &name, &wanted)).await
            }
        }
        Command::Ssh {
            name,
            node,
            command,
        } => ssh::ssh(context, &name, &node, &command),
        Command::Network { name, action } => network::run(context, output, &name, &action).await,
        Command::Agent { name, node, action } => {
            or_interrupted(context, agent::run(context, output, &name, &node, action)).await
        }
        Command::Grafana { action } => grafana::run(context, output, action),
        Command::Functions { name, action } => {
            or_interrupted(context, functions::run(context, output, &name, action)).await
        }
        Command::Config { .. }
        | Command::Report { .. }
        | Command::Bundle { .. }
        | Command::Compare { .. }
        | Command::Guest { .. }
        | Command::HoldNamespace { .. } => Ok(()),
        Command::ChooseProvider { config } => {
            let checked = find_config(context, Given::new(&config, set))?;
            let choice = continuum_provider::choose(context, &checked.config).await?;
            output.text(&json!(choice).to_string());
            Ok(())
        }
        Command::Image { action } => image::run(context, output, action),
        Command::Artifact { action } => artifact::run(context, output, action),
        Command::Doctor { config } => {
            let doctor = doctor::run(
                context,
                output,
                config.as_deref().map(|config| Given::new(config, set)),
            );
            or_interrupted(context, doctor).await
        }
    }
}

/// For commands that only ask: there is nothing to be finished when the user has heard enough.
async fn or_interrupted(
    context: &Context,
    command: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    tokio::select! {
        // A command that has an end of its own for it may take that.
        biased;
        result = command => result,
        () = context.cancel.cancelled() => Err(Error::Interrupted),
    }
}

/// Whether results may be used: not where there is a reason against it.
fn judged(reasons: Vec<String>) -> Result<(), Error> {
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::InvalidResult { reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
