//! `continuum-agent`: the server, and the small programs it starts itself as.
#![expect(clippy::print_stderr, reason = "why a program ends")]

use anyhow::Context;
use clap::{Parser, Subcommand};
use continuum_agent::{broker, child, config::AgentConfig, logs::LogRing, server};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the controller until told to stop
    Serve {
        /// Configuration, TOML
        #[arg(long, default_value = "/etc/continuum/agent.toml")]
        config: PathBuf,
    },
    /// Run the embedded MQTT broker (the agent starts this as a child)
    #[command(hide = true)]
    Broker {
        /// Settings, JSON
        settings: String,
    },
    /// Enter a control group, tie this process to its parent, become the given program
    #[command(hide = true)]
    Child(child::ChildArguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // In one line, whatever RUST_BACKTRACE says: who started this program shows its last lines.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { config } => serve(&config),
        Command::Broker { settings } => {
            tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .with_target(false)
                .init();
            broker::rumqttd::run(&settings).context("run the MQTT broker")
        }
        Command::Child(arguments) => Err(child::become_program(&arguments).into()),
    }
}

fn serve(path: &std::path::Path) -> anyhow::Result<()> {
    let config = AgentConfig::load(path)?;
    let logs = Arc::new(LogRing::default());
    tracing_subscriber::fmt()
        .with_writer({
            let logs = Arc::clone(&logs);
            move || logs.writer()
        })
        .with_ansi(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("CONTINUUM_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .with_target(false)
        .init();
    // What cloud-init wrote a moment ago, this agent's configuration among it, must outlive a machine that is killed: when
    // it answers it counts as made, and its seed is not read again.
    if config.own_machine {
        rustix::fs::sync();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(cancel_on_signal(shutdown.clone()));
        server::serve(config, logs, shutdown).await
    })?;
    // A blocking read of a child's last output must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(())
}

async fn cancel_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be watched; stop this agent with SIGKILL");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.cancel();
}
