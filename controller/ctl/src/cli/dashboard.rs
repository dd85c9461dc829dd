//! dashboard, and the same page beside a command that works on a deployment.

use super::output::Output;
use crate::{dashboard::LiveDeployment, error::CommandError, observability::targets, session};
use continuum_dashboard::{Access, Feed, serve};
use continuum_host::{
    context::Context,
    error::{Error, chain},
    progress::note,
    state::StateRoot,
};
use serde_json::json;
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often a deployment is looked for that a command is about to make.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// The deployment that is meant: the only one, where none is named.
pub(super) fn subject(root: &StateRoot, name: Option<&str>) -> Result<String, Error> {
    if let Some(name) = name {
        return Ok(name.to_owned());
    }
    let mut names = root.names()?;
    if let (Some(only), true) = (names.pop(), names.is_empty()) {
        return Ok(only);
    }
    Err(Error::Words {
        doing: "find the deployment to show".into(),
        why: "there is not exactly one; name it, `continuum-ctl list` shows them".into(),
    })
}

/// Before the network namespace of the deployment is joined: the browser is outside of it.
pub(super) fn listen(address: SocketAddr, with_token: bool) -> Result<TcpListener, Error> {
    if !address.ip().is_loopback() && !with_token {
        let why = "everybody who reaches this address could read it; add --token";
        return Err(no_page(address, why.into()));
    }
    bind(address, "--address")
}

/// The same for a command that shows it while it works.
pub(super) fn listen_beside(address: SocketAddr) -> Result<TcpListener, Error> {
    if !address.ip().is_loopback() {
        let why = format!(
            "beside a command only this machine may read it; `continuum-ctl dashboard NAME --address {address} --token` lets \
             others in"
        );
        return Err(no_page(address, why));
    }
    bind(address, "--dashboard")
}

fn no_page(address: SocketAddr, why: String) -> Error {
    let doing = format!("show the dashboard on {address}");
    Error::Words { doing, why }
}

fn bind(address: SocketAddr, option: &str) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let why = format!("{error}; {option} 127.0.0.1:0 takes a free port");
        no_page(address, why)
    })
}

/// Its address, and what takes connections.
fn opened(listener: TcpListener) -> Result<(SocketAddr, tokio::net::TcpListener), Error> {
    let failed = CommandError::Listen;
    let address = listener.local_addr().map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    Ok((address, listener))
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    name: &str,
    results: &Path,
    listener: TcpListener,
    with_token: bool,
) -> Result<(), Error> {
    let (address, listener) = opened(listener)?;
    let (access, url) = if with_token {
        let token = uuid::Uuid::new_v4().simple().to_string();
        let url = format!("http://{address}/?token={token}");
        (Access::Token(token), url)
    } else {
        (Access::Loopback(address), format!("http://{address}/"))
    };
    let deployment = LiveDeployment::open(context, name, results)?;
    let (_, config, plan) = session::open(context, name)?;
    // The page is there for people, whether or not a Prometheus finds it.
    if let Err(error) = targets::write(&context.root, &config, &plan, &address.to_string()) {
        note(&format!("warning: failed to {}", chain(&error)));
    }
    let feed = Feed::start(Arc::new(deployment), &context.cancel);
    context.progress.finish();
    output.text(&format!("{name}: {url} until interrupted"));
    output.json(&json!({ "name": name, "url": url }));
    serve(listener, access, feed, context.cancel.clone()).await;
    Ok(())
}

/// The page while a command works. It goes on when the command is interrupted, as that has things to finish.
#[derive(Debug)]
pub(super) struct PageBeside {
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl PageBeside {
    /// Browsers wait until there is a deployment: `up` and `run` have yet to make it.
    pub(super) fn start(
        context: &Context,
        name: String,
        results: &Path,
        listener: TcpListener,
    ) -> Result<Self, Error> {
        let (address, listener) = opened(listener)?;
        let url = format!("http://{address}/");
        context
            .progress
            .line(&format!("dashboard: {url} until this command ends"));
        let stop = CancellationToken::new();
        let (ended, context, results) = (stop.clone(), context.clone(), results.to_owned());
        let served = tokio::spawn(async move {
            let made = made(&context, &name, &results);
            let Some(deployment) = ended.run_until_cancelled(made).await else {
                return;
            };
            let feed = Feed::start(Arc::new(deployment), &ended);
            serve(listener, Access::Loopback(address), feed, ended).await;
        });
        Ok(Self { stop, served })
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.served.await.ok();
    }
}

/// The deployment, as soon as it can be looked at; whoever asks sets the deadline.
async fn made(context: &Context, name: &str, results: &Path) -> LiveDeployment {
    let mut tick = tokio::time::interval(LOOK_AGAIN_AFTER);
    loop {
        tick.tick().await;
        // Not there yet, or without addresses or keys: what is wrong with it is for the command to say.
        if let Ok(deployment) = LiveDeployment::open(context, name, results) {
            return deployment;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_host::error::chain;

    #[test]
    fn a_taken_port_and_an_address_that_others_reach_are_refused_with_what_to_type() {
        let taken = listen_beside(([127, 0, 0, 1], 0).into()).unwrap();
        let taken = taken.local_addr().unwrap();
        let why = chain(&listen_beside(taken).unwrap_err());
        assert!(
            why.contains("--dashboard 127.0.0.1:0 takes a free port"),
            "{why}"
        );
        let why = chain(&listen(taken, false).unwrap_err());
        assert!(
            why.contains("--address 127.0.0.1:0 takes a free port"),
            "{why}"
        );
        let everywhere = ([0, 0, 0, 0], 0).into();
        let why = chain(&listen_beside(everywhere).unwrap_err());
        assert!(
            why.contains("dashboard NAME --address 0.0.0.0:0 --token"),
            "{why}"
        );
        let why = chain(&listen(everywhere, false).unwrap_err());
        assert!(why.contains("add --token"), "{why}");
    }
}
