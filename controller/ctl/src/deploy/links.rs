//! Changing links of a deployment that runs. What was asked for is kept beside the deployment, so that it is known to
//! whoever comes later; `up` takes it back.

use super::network::measured_overhead_ms;
use crate::{error::CommandError, session::Session};
use continuum_agents::{Agent, AppliedLink, cut_off};
use continuum_common::wait::Patience;
use continuum_config::{Action, Config, Ends};
use continuum_host::{
    error::Error,
    state::{Deployment, Lock, LockKind, write_secret},
};
use continuum_model::{LinkClass, NodePlan, Plan, SETTINGS};
use continuum_plan::{LinkRequests, links_of};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// For another change of links of the same deployment.
const OTHER_DEADLINE: Duration = Duration::from_mins(2);
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// One change after the other: each reads what was changed before, and a bench makes them beside its user.
pub(super) async fn alone(deployment: &Deployment) -> Result<Lock, Error> {
    let mut patience = Patience::new(OTHER_DEADLINE, AGAIN_AFTER);
    let own = |error: Error| error.of_deployment(deployment.name());
    loop {
        match Lock::take(deployment.dir(), "links", LockKind::Exclusive) {
            Err(error @ Error::Locked { .. }) => patience.again(error).await.map_err(own)?,
            taken => return taken,
        }
    }
}

fn path(deployment: &Deployment) -> PathBuf {
    deployment.dir().join("links.json")
}

/// Requests that hold now.
pub fn link_requests(deployment: &Deployment) -> Result<LinkRequests, Error> {
    let path = path(deployment);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(Error::damaged(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LinkRequests::default()),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// There while a change is made, and as long as one that failed has not been made up for: links may be any of both.
fn unfinished(deployment: &Deployment) -> PathBuf {
    deployment.dir().join("links.unfinished")
}

/// Whether links are as in the config, as far as anybody noted.
pub(super) fn are_as_configured(deployment: &Deployment) -> Result<bool, Error> {
    Ok(link_requests(deployment)?.is_empty() && !unfinished(deployment).exists())
}

/// Nodes whose links are not in force: another program removed them.
pub(super) async fn nodes_without_links(session: &Session) -> Result<Vec<String>, Error> {
    let (nodes, network) = (&session.plan.nodes, &session.config.network);
    if !network.is_emulated() || !session.provider.capabilities().emulates_network {
        return Ok(Vec::new());
    }
    let missing = session.nodes().map(|(node, agent)| async move {
        let applied = agent.links().await?;
        let wanted = links_of(node, nodes, network);
        Ok::<_, Error>((applied.len() != wanted.len()).then(|| node.name.clone()))
    });
    let missing = futures_util::future::try_join_all(missing).await?;
    Ok(missing.into_iter().flatten().collect())
}

/// Fails where a change of links did not reach every node: nobody knows what would be measured.
pub async fn check_links(deployment: &Deployment) -> Result<(), Error> {
    // One that is under way now is none that failed.
    let _alone = alone(deployment).await?;
    if !unfinished(deployment).exists() {
        return Ok(());
    }
    let name = deployment.name();
    Err(Error::Preflight {
        name: name.to_owned(),
        reasons: vec![format!(
            "a change of links did not reach every node; `continuum-ctl up {name}` makes them as the config says"
        )],
    })
}

/// Forgets them; whoever does that applies all links anew.
pub(super) fn forget_link_requests(deployment: &Deployment) -> Result<(), Error> {
    remove(path(deployment))?;
    remove(unfinished(deployment))
}

fn remove(path: PathBuf) -> Result<(), Error> {
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Fails with what may stand there when no node is at a place, or no link between two.
pub fn check_places(plan: &Plan, config: &Config, a: &str, b: &str) -> Result<(), Error> {
    let checked = continuum_plan::check_places(&plan.nodes, &config.network, a, b);
    checked.map_err(|why| {
        let (a, b) = (a.to_owned(), b.to_owned());
        CommandError::NoSuchLink { a, b, why }.into()
    })
}

/// A class with the numbers and the peers that are applied.
fn is_as(class: &LinkClass, applied: &AppliedLink) -> (bool, bool) {
    let peers: Vec<&str> = class.peers.iter().map(|p| &*p.node).collect();
    let same_peers = class.name == applied.name && peers == applied.peers;
    let is_same = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let same_settings = SETTINGS
        .iter()
        .all(|setting| is_same((setting.get)(&class.link), (setting.get)(&applied.link)));
    let trace = |name: &str, begin_ms: u32| (name.to_owned(), begin_ms);
    let wanted_trace = class.trace.as_ref().map(|t| trace(&t.name, t.begin_ms));
    let applied_trace = applied.trace.as_ref().map(|t| trace(&t.name, t.begin_ms));
    let same_numbers = same_settings
        && is_same(class.overhead_ms, applied.overhead_ms)
        && cut_off(&class.peers) == applied.cut_off
        && wanted_trace == applied_trace;
    (same_peers, same_numbers)
}

/// Makes a node's links as they shall be. As long as its classes have the same peers, packets under way stay there.
async fn reconcile(
    agent: &dyn Agent,
    wanted: &[LinkClass],
    mtu_bytes: Option<u32>,
) -> Result<bool, Error> {
    let applied = agent.links().await?;
    let pairs: Vec<_> = wanted
        .iter()
        .zip(&applied)
        .map(|(w, a)| is_as(w, a))
        .collect();
    if wanted.len() != applied.len() || pairs.iter().any(|(same_peers, _)| !same_peers) {
        agent.apply_links(wanted, mtu_bytes).await?;
        return Ok(true);
    }
    let mut changed = false;
    for (class, (_, same_numbers)) in wanted.iter().zip(pairs) {
        if !same_numbers {
            agent.set_link(class).await?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Changes the link between two places, or makes it that of the config again; by hand, or for the timeline of a run. Returns
/// the nodes whose links are others now.
pub async fn change_link(
    session: &Session,
    action: &Action,
    timeline: Option<&str>,
) -> Result<Vec<String>, Error> {
    let Some(Ends { a, b, .. }) = action.ends() else {
        return Ok(Vec::new());
    };
    if !session.provider.capabilities().emulates_network {
        return Err(CommandError::NoEmulatedLinks {
            a: a.to_owned(),
            b: b.to_owned(),
            provider: session.provider.name(),
        }
        .into());
    }
    check_places(&session.plan, &session.config, a, b)?;
    edit(session, |requests| {
        requests.add(action.clone(), timeline, &session.plan.nodes);
    })
    .await
}

/// Links whose mean delay is not their latency, by what holds now and not by the config, which told of its own.
pub fn moved_means(session: &Session) -> Result<Vec<String>, Error> {
    let (nodes, network) = (&session.plan.nodes, &session.config.network);
    let requests = link_requests(&session.deployment)?;
    let moved = |node: &NodePlan, classes: Vec<LinkClass>| -> BTreeSet<String> {
        let moved = classes.iter().filter_map(|class| {
            let why = class.link.moved_mean()?;
            Some(format!("{} to {}: {why}", node.name, class.name))
        });
        moved.collect()
    };
    let mut all = Vec::new();
    for node in nodes {
        let told = moved(node, links_of(node, nodes, network));
        let now = moved(node, requests.links_of(node, nodes, network));
        all.extend(now.difference(&told).cloned());
    }
    Ok(all)
}

/// Takes back what timelines asked for: that of the run which ends, or of one that was killed.
pub async fn end_timelines(session: &Session) -> Result<(), Error> {
    if !session.provider.capabilities().emulates_network
        || !link_requests(&session.deployment)?.has_timeline()
    {
        return Ok(());
    }
    edit(session, |requests| {
        requests.end_timelines(&session.plan.nodes);
    })
    .await
    .map(|_| ())
}

/// Fails where links could not be made.
fn check_possible(session: &Session, requests: &LinkRequests) -> Result<(), Error> {
    let (nodes, network) = (&session.plan.nodes, &session.config.network);
    for node in nodes {
        for class in requests.links_of(node, nodes, network) {
            let unread = class.trace.as_ref().filter(|trace| trace.steps.is_empty());
            let unread = unread.map(|trace| format!("the file of trace {} is gone", trace.name));
            if let Some(why) = class.link.impossible().or(unread) {
                let (a, b) = (node.name.clone(), class.name);
                return Err(CommandError::NoSuchLink { a, b, why }.into());
            }
        }
    }
    Ok(())
}

/// Changes what holds, and makes links so. Both ends change at the same time, as far as two calls do.
async fn edit(
    session: &Session,
    edit: impl FnOnce(&mut LinkRequests),
) -> Result<Vec<String>, Error> {
    let Session {
        deployment,
        config,
        plan,
        ..
    } = session;
    let _alone = alone(deployment).await?;
    let mut requests = link_requests(deployment)?;
    edit(&mut requests);
    check_possible(session, &requests)?;
    // Noted first: what a crash or a node out of reach leaves half done is known, and `up` puts it right.
    write_secret(&unfinished(deployment), b"")?;
    let text = serde_json::to_vec_pretty(&requests).map_err(Error::encode("a change of links"))?;
    write_secret(&path(deployment), &text)?;
    let work = session.nodes().map(|(node, agent)| {
        let mut wanted = requests.links_of(node, &plan.nodes, &config.network);
        let overhead_ms = measured_overhead_ms(deployment, node.tier);
        for class in &mut wanted {
            class.overhead_ms = overhead_ms;
        }
        async move {
            let changed = reconcile(&**agent, &wanted, config.network.mtu_bytes).await?;
            Ok::<_, Error>(changed.then(|| node.name.clone()))
        }
    });
    // All that can be reached are as they shall be, whoever cannot.
    let changed = futures_util::future::join_all(work).await;
    let changed = changed.into_iter().collect::<Result<Vec<_>, _>>()?;
    remove(unfinished(deployment))?;
    Ok(changed.into_iter().flatten().collect())
}
