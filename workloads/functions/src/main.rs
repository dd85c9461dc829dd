//! `continuum-function`: functions that each stress one resource. They run natively, as a process per request behind a
//! watchdog, or as a server of their own.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "standard output is the answer, standard error the log"
)]

mod call;
mod suite;

use clap::{Parser, Subcommand};
use continuum_watchdog::{Body, Handler, InFlight, answer, broken_body, config::Config, process};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};
use suite::{FUNCTIONS, Function, find};

#[derive(Debug, Parser)]
#[command(
    version,
    about = "Functions that each stress one resource of a machine",
    after_help = "Examples:\n  continuum-function run fibonacci '{\"n\":30}'\n  echo '{\"mib\":64}' | continuum-function run memory\n  port=8080 continuum-function serve sleep"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make one call; parameters come from standard input if they are not given
    Run {
        /// Which function
        function: String,
        /// Its parameters as JSON
        parameters: Option<String>,
    },
    /// Answer calls over HTTP; the options are those of the watchdog, from the environment
    Serve {
        /// Which function
        function: String,
    },
    /// List the functions
    List,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run {
            function,
            parameters,
        } => run(&function, parameters),
        Command::Serve { function } => serve(&function),
        Command::List => {
            for function in FUNCTIONS {
                println!("{:<12} {}", function.name(), function.summary());
            }
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, parameters: Option<String>) -> anyhow::Result<()> {
    let function = find(name)?;
    let mut body = parameters.clone().unwrap_or_default().into_bytes();
    if parameters.is_none() {
        std::io::stdin().read_to_end(&mut body)?;
    }
    let line = call::make(function, &body).map_err(|failed| {
        eprintln!("{}", failed.line);
        failed.error
    })?;
    // Standard error is the function's log; somebody who sits there sees the line once.
    if !std::io::stderr().is_terminal() {
        eprintln!("{line}");
    }
    println!("{line}");
    Ok(())
}

#[tokio::main]
async fn serve(name: &str) -> anyhow::Result<()> {
    let function = find(name)?;
    process::log_to_stderr();
    let config = Config::read(["continuum-function"])?;
    process::run(config, |_| Ok(Served(function))).await
}

/// A function in this process, each call in a thread of its own.
#[derive(Clone, Copy)]
struct Served(&'static dyn Function);

impl Handler for Served {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let function = self.0;
        let in_flight = request.extensions().get::<InFlight>().cloned();
        let body = match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return broken_body(&error),
        };
        // A thread cannot be ended: it counts until it is done.
        let made = tokio::task::spawn_blocking(move || {
            let _in_flight = in_flight;
            call::make(function, &body)
        })
        .await;
        match made {
            Ok(Ok(line)) => {
                eprintln!("{line}");
                let mut response = answer(StatusCode::OK, line);
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            Ok(Err(failed)) => {
                eprintln!("{}", failed.line);
                answer(StatusCode::BAD_REQUEST, format!("{:#}", failed.error))
            }
            Err(error) => answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the call failed: {error}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_sound() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
