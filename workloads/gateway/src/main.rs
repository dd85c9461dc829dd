//! `continuum-gateway`: see the library.
#![expect(clippy::print_stderr, reason = "the last words go to standard error")]

use continuum_gateway::{config::Config, kubernetes::Clients, serve};
use continuum_http_service::{parse, until_told_to_end};
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .init();
    let config: Config = parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    let clients = Clients::infer().await?;
    let stop = until_told_to_end()?;
    Box::pin(serve(config, clients, stop)).await
}
