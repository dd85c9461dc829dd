//! dashboard.

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
};

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
    let doing = format!("show the dashboard on {address}");
    if !address.ip().is_loopback() && !with_token {
        return Err(Error::Words {
            doing,
            why: "everybody who reaches this address could read it; add --token".into(),
        });
    }
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| Error::Words {
        doing,
        why: format!("{error}; --address 127.0.0.1:0 takes a free port"),
    })
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    name: &str,
    results: &Path,
    listener: TcpListener,
    with_token: bool,
) -> Result<(), Error> {
    let failed = CommandError::Listen;
    let address = listener.local_addr().map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
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
    if let Err(error) = targets::write(&context.root, &config, &plan, address) {
        note(&format!("warning: failed to {}", chain(&error)));
    }
    let feed = Feed::start(Arc::new(deployment), &context.cancel);
    context.progress.finish();
    output.text(&format!("{name}: {url} until interrupted"));
    output.json(&json!({ "name": name, "url": url }));
    serve(listener, access, feed, context.cancel.clone()).await;
    Ok(())
}
