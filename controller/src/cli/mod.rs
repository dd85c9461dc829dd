//! The command line. Printing happens below this module only.

mod agent;
mod args;
mod config;
mod doctor;
mod image;
mod inspect;
mod lifecycle;
pub(crate) mod output;
mod ssh;

use crate::{
    config::{Checked, load},
    error::{Error, Exit},
    progress::Progress,
    provider::Context,
    state::{Deployment, StateRoot},
};
use args::{Arguments, Command};
use clap::Parser;
use continuum_images::cache::Cache;
use output::Output;
use std::{path::Path, process::ExitCode, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Parses, runs, and turns the outcome into an exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a wrong command line is a wrong config.
            error.print().ok();
            return ExitCode::from(if error.use_stderr() {
                Exit::Config as u8
            } else {
                0
            });
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("CONTINUUM_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_target(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!("error: failed to start the runtime: {error}"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let output = Output::new(arguments.format);
    let result = runtime.block_on(run(arguments, &output));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::from(Exit::Ok as u8),
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit() as u8)
        }
    }
}

/// The first interrupt asks to stop, the second stops at once; the state on disk is valid at any time.
fn watch_signals(cancel: CancellationToken) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |e| Error::other("watch signals", e);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if round == 0 {
                output::note("stopping; once more to stop at once");
                cancel.cancel();
            }
        }
        #[expect(clippy::exit, reason = "the second interrupt means now")]
        std::process::exit(Exit::Interrupted as i32);
    });
    Ok(())
}

async fn run(arguments: Arguments, output: &Output) -> Result<(), Error> {
    let context = Context {
        root: StateRoot::of_user()?,
        cache: Cache::of_user()?,
        progress: Arc::new(Progress::new(arguments.quiet)),
        cancel: CancellationToken::new(),
    };
    watch_signals(context.cancel.clone())?;
    let set = &arguments.set;
    let result = match arguments.command {
        Command::Up {
            config,
            dry_run,
            rollback,
            allow_unemulated,
        } => {
            let options = lifecycle::UpOptions {
                dry_run,
                rollback,
                allow_unemulated,
            };
            lifecycle::up(&context, output, &config, set, options).await
        }
        Command::Bench { config, results } => {
            lifecycle::bench(&context, output, &config, set, &results).await
        }
        Command::Down { config, all } => lifecycle::down(&context, output, config, all).await,
        Command::Run {
            config,
            keep,
            results,
            allow_unemulated,
        } => {
            lifecycle::run(
                &context,
                output,
                &config,
                set,
                keep,
                &results,
                allow_unemulated,
            )
            .await
        }
        Command::List => inspect::list(&context, output).await,
        Command::Status { name } => inspect::status(&context, output, name).await,
        Command::Logs {
            name,
            node,
            source,
            lines,
        } => inspect::logs(&context, output, &name, node, &source, lines).await,
        Command::Ssh {
            name,
            node,
            command,
        } => ssh::ssh(&context, &name, &node, &command),
        Command::Network { name, action } => {
            inspect::network(&context, output, &name, &action).await
        }
        Command::Agent { name, node, action } => {
            agent::run(&context, output, &name, &node, action).await
        }
        Command::Config { action } => config::run(output, action, set),
        Command::Image { action } => image::run(&context, output, action),
        Command::Doctor { config } => doctor::run(&context, output, config.as_deref(), set).await,
    };
    context.progress.finish();
    result
}

/// A config by file, or by the name of a live deployment.
fn find_config(context: &Context, given: &str, set: &[String]) -> Result<Checked, Error> {
    let path = Path::new(given);
    if !path.exists()
        && let Some(live) = Deployment::load(&context.root, given)?
    {
        let checked = crate::config::parse(live.config(), given, false, given, set)?;
        return Ok(checked);
    }
    Ok(load(path, set)?)
}

/// The name that a config file or a name stands for, even when the file is gone or bad.
fn find_name(context: &Context, given: &str) -> Result<(String, String), Error> {
    let usual = || "qemu:///system".to_owned();
    if context.root.deployment(given).join("state.json").exists() {
        return Ok((given.to_owned(), usual()));
    }
    let path = Path::new(given);
    if path.exists() {
        let config = load(path, &[])?.config;
        return Ok((config.name, config.infrastructure.libvirt_uri));
    }
    // `down` of a file that was deleted must still work.
    let stem = path
        .file_stem()
        .map_or_else(|| given.to_owned(), |s| s.to_string_lossy().into_owned());
    Ok((stem, usual()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
