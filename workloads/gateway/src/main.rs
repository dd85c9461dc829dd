//! `continuum-gateway`: see the library.
#![expect(clippy::print_stderr, reason = "the last words go to standard error")]

use anyhow::Context;
use clap::Parser;
use continuum_gateway::{config::Config, serve};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .init();
    match run(Config::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    let client = kube::Client::try_default()
        .await
        .context("find the cluster: from inside a pod or by KUBECONFIG")?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("watch signals")?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stopping.cancel();
    });
    Box::pin(serve(config, client, stop)).await
}
