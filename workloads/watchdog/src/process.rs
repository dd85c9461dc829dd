//! A watchdog as a whole process: a port, signals, an end.

use crate::{Handler, config::Config, serve, unsupported_options};
use anyhow::Context;
use continuum_http_service::until_told_to_end;
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr},
};
use tokio::net::TcpListener;

/// Serves on the port of the options until somebody wants an end.
///
/// # Errors
/// A port that cannot be had, an option that cannot be left out of account, or what `make` says.
pub async fn run<H: Handler>(
    config: Config,
    make: impl FnOnce(&Config) -> anyhow::Result<H>,
) -> anyhow::Result<()> {
    unsupported_options::tell()?;
    let stop = until_told_to_end()?;
    let port = config.port;
    let listener = listen(port)
        .await
        .with_context(|| format!("listen on port {port}"))?;
    let handler = make(&config)?;
    serve(config, listener, handler, stop).await
}

/// At every address of this machine: the socket for IPv6 takes IPv4 too, where there is IPv6.
async fn listen(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// Lines that begin with what happened, as those of `OpenFaaS`'s watchdogs do after their time.
pub fn log_to_stderr() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_level(false)
        .with_ansi(false)
        .without_time()
        .init();
}
