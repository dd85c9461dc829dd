//! `continuum-watchdog`: see the library.
#![expect(clippy::print_stderr, reason = "the last words go to standard error")]

use continuum_watchdog::{
    config::{Config, Mode},
    handlers::{Fork, Static, Upstream},
    process,
};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    process::log_to_stderr();
    let config = Config::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let ended = match config.mode {
        Mode::Http => process::run(config, Upstream::start).await,
        Mode::Static => process::run(config, Static::new).await,
        Mode::Streaming | Mode::Serializing => process::run(config, Fork::new).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
