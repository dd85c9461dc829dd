//! `continuum-workload function`: image recognition as a function, with the network loaded once, or for each call.

use continuum_image_recognition::{
    classifier, efficientnet,
    function::{Call, CallError, Loaded},
};
use continuum_watchdog::{
    Body, Handler, answer, broken_body,
    config::{Config, Mode},
    handlers::Fork,
    process,
};
use continuum_workload_core::clock::AnchoredClock;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use std::{io::Read, path::PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Unpacked workload bundle
    #[arg(long)]
    bundle: PathBuf,
    /// Load the network anew for each call, so that the cost of a cold start shows each time
    #[arg(long, env = "load_per_request")]
    per_request: bool,
    /// Networks side by side
    #[arg(long, env = "CPU_THREADS", default_value_t = 1)]
    threads: usize,
    /// Answer the one call on standard input
    #[arg(long, hide = true)]
    once: bool,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.once {
        return once(&arguments);
    }
    let mut config = Config::read(["continuum-workload"])?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    if arguments.per_request {
        config.fprocess = own_command(&arguments)?;
        config.mode = Mode::Serializing;
        return runtime.block_on(process::run(config, Fork::new));
    }
    let clock = AnchoredClock::start();
    let factory = classifier::factory(&arguments.bundle)?;
    runtime.block_on(process::run(config, |_| {
        let loaded = Loaded::start(&*factory, arguments.threads, efficientnet::label, clock)?;
        Ok(Image { loaded, clock })
    }))
}

/// This program as it was started, by whatever loader, for one call.
fn own_command(arguments: &Arguments) -> anyhow::Result<String> {
    let line = std::fs::read("/proc/self/cmdline")?;
    let words: Vec<String> = line
        .split(|b| *b == 0)
        .map(|w| String::from_utf8_lossy(w).into_owned())
        .take_while(|w| w != "function")
        .collect();
    let bundle = arguments.bundle.display();
    Ok(format!(
        "{} function --once --bundle {bundle}",
        words.join(" ")
    ))
}

fn once(arguments: &Arguments) -> anyhow::Result<()> {
    let clock = AnchoredClock::start();
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let call = Call::read(&body, clock.now_unix_ns())?;
    let mut network = classifier::factory(&arguments.bundle)?.maker()()?;
    let answer = call.answer(&mut *network, efficientnet::label, clock)?;
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

/// The network, loaded.
struct Image {
    loaded: Loaded,
    clock: AnchoredClock,
}

impl Handler for Image {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let body = match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return broken_body(&error),
        };
        let answered = match Call::read(&body, self.clock.now_unix_ns()) {
            Ok(call) => self.loaded.call(call).await,
            Err(error) => Err(error),
        };
        match answered.map(|a| serde_json::to_string(&a)) {
            Ok(Ok(text)) => {
                let mut response = answer(StatusCode::OK, text);
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            Ok(Err(error)) => answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            Err(error @ CallError::BadBody(_)) => {
                answer(StatusCode::BAD_REQUEST, error.to_string())
            }
            Err(error @ CallError::Failed(_)) => {
                answer(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}
