//! `continuum-workload`: runs one role of one application, as the agent asks for it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "standard output carries the data of this program, standard error its last words"
)]

use anyhow::Context;
use clap::{Parser, Subcommand};
use continuum_workload_core::{
    application::{Application, RunContext, Stop},
    event::EventSink,
    spec::RunSpec,
};
#[cfg(not(feature = "torch"))]
use std::ffi::OsString;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio::signal::unix::{SignalKind, signal};

#[cfg(feature = "torch")]
mod function;
#[cfg(not(feature = "torch"))]
mod hand_over;
#[cfg(feature = "torch")]
mod torch;

/// Every application; the only place that names them.
const APPLICATIONS: &[&dyn Application] = &[
    &continuum_image_recognition::ImageClassification,
    &continuum_workload_empty::Empty,
    &continuum_workload_stress::Stress,
    &continuum_workload_mem_usage::MemUsage,
    &continuum_invoker::Functions,
];

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the role described by a JSON file; events go to standard output, one JSON line each
    Run {
        /// The description
        #[arg(required_unless_present = "spec_json", conflicts_with = "spec_json")]
        spec: Option<PathBuf>,
        /// The description itself, for containers
        #[arg(long, value_name = "JSON")]
        spec_json: Option<String>,
        /// Unpacked workload bundle: weights, photos
        #[arg(long)]
        bundle: PathBuf,
        /// Directory for result files
        #[arg(long)]
        out: PathBuf,
    },
    /// List the applications
    List,
    /// Answer calls over HTTP with what is on their photos; the options of the watchdog come from the environment
    #[cfg(feature = "torch")]
    Function(function::Arguments),
    /// Work with the network itself
    #[cfg(feature = "torch")]
    #[command(flatten)]
    Torch(torch::Command),
    /// What the program with libtorch does
    #[cfg(not(feature = "torch"))]
    #[command(external_subcommand)]
    Torch(Vec<OsString>),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let result = match Arguments::parse().command {
        Command::Run {
            spec,
            spec_json,
            bundle,
            out,
        } => read(spec.as_deref(), spec_json).and_then(|spec| run(spec, &bundle, &out)),
        Command::List => {
            for application in APPLICATIONS {
                println!("{:<22} {}", application.name(), application.summary());
            }
            Ok(())
        }
        #[cfg(feature = "torch")]
        Command::Function(arguments) => function::run(arguments),
        #[cfg(feature = "torch")]
        Command::Torch(command) => torch::run(command),
        #[cfg(not(feature = "torch"))]
        Command::Torch(words) => Err(hand_over::to_torch(words)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On one line: it is the last thing that the controller shows of a run that failed.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: Option<&Path>, json: Option<String>) -> anyhow::Result<RunSpec> {
    let (what, text) = match (path, json) {
        (Some(path), _) => {
            let what = format!("`{}`", path.display());
            let text = std::fs::read_to_string(path).with_context(|| format!("read {what}"))?;
            (what, text)
        }
        (None, json) => ("--spec-json".to_owned(), json.unwrap_or_default()),
    };
    serde_json::from_str(&text).with_context(|| format!("parse {what}"))
}

fn run(spec: RunSpec, bundle: &Path, out: &Path) -> anyhow::Result<()> {
    let names = || {
        APPLICATIONS
            .iter()
            .map(|a| a.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let application = APPLICATIONS
        .iter()
        .find(|a| a.name() == spec.application)
        .with_context(|| {
            format!(
                "unknown application `{}`; known: {}",
                spec.application,
                names()
            )
        })?;
    #[cfg(not(feature = "torch"))]
    if application.needs_torch(&spec.role) {
        return Err(hand_over::to_torch(std::env::args_os().skip(1)));
    }
    // Two threads suffice for the network; classifiers have their own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let (ask, stop) = Stop::channel();
        let mut terminate = signal(SignalKind::terminate()).context("watch signals")?;
        tokio::spawn(async move {
            if terminate.recv().await.is_some() {
                ask.send_replace(true);
                // Kept, so that the wish stays.
                std::future::pending::<()>().await;
            }
        });
        let context = RunContext {
            spec,
            bundle,
            out,
            events: EventSink::new(std::io::stdout()),
            stop,
        };
        application.run(context).await.context("run")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_names_are_unique_and_arguments_are_sound() {
        let mut names: Vec<_> = APPLICATIONS.iter().map(|a| a.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), APPLICATIONS.len());
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
