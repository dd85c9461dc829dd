//! Emulated links: on the egress side of this node, one HTB class per kind of peer, and what delays and loses its packets
//! below.
//!
//! ```text
//! device  root 1: htb (what matches no filter is not shaped: controller, internet)
//!           class 1:1 rate of tier A ── tbf 2001: single packets ── netem 3001: delay, jitter, loss, queue
//!           class 1:2 rate of tier B ── tbf 2002: ── netem 3002:
//!           class 1:fff what goes to many at once ── tbf 2fff: ── netem 3fff:
//!         clsact ffff: what comes from peers that are cut off is dropped
//! ```
//! Packets are told by the card that they go to, whatever their protocol. Filters hash, so the cost of a packet does not
//! grow with the number of peers. Both ends shape what they send, so a round trip takes twice the latency, as upstream does
//! it. What a packet's way takes by itself, without netem, is measured by the controller and taken off the delay.

mod bounds;
mod distribution;
mod kernel;
mod link;
mod players;
mod probe;
mod saved_links;
mod trace;

use crate::{error::AgentError, process};
use kernel::Kernel;
use players::Players;
use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) use distribution::Distribution;
pub(crate) use link::{LinkClass, Peer};
pub(crate) use players::Progress;
pub(crate) use probe::probe;
pub(crate) use trace::{Step, Trace};

/// `tc` answers within milliseconds; while five emulated machines started, `nft` once took more than ten seconds.
const DEADLINE: Duration = Duration::from_mins(1);
/// Of a device that nobody changed.
const USUAL_MTU_BYTES: u32 = 1500;

/// What was asked of this node's device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Links {
    pub classes: Vec<LinkClass>,
    /// Largest IP packet; 0 = as the device has it.
    pub mtu_bytes: u32,
}

impl Links {
    fn packet_bytes(&self) -> u32 {
        if self.mtu_bytes == 0 {
            USUAL_MTU_BYTES
        } else {
            self.mtu_bytes
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AppliedClass {
    pub link: LinkClass,
    /// Packets the netem queue holds.
    pub queue_limit_packets: u32,
    /// Of its trace.
    pub progress: Option<Progress>,
}

/// Links of this node.
#[derive(Debug)]
pub(crate) struct Network {
    address: IpAddr,
    applied: Mutex<Links>,
    saved: saved_links::SavedLinks,
    /// One change after the other: what is remembered is what the kernel has.
    changing: tokio::sync::Mutex<()>,
    players: Mutex<Players>,
}

impl Network {
    /// For the device that carries `address`.
    pub(crate) fn new(address: IpAddr, data_dir: &Path) -> Self {
        Self {
            address,
            applied: Mutex::default(),
            saved: saved_links::SavedLinks::below(data_dir),
            changing: tokio::sync::Mutex::default(),
            players: Mutex::default(),
        }
    }

    /// Applies what was applied before the agent, or the node, started again.
    pub(crate) async fn restore(&self) -> Result<(), AgentError> {
        let saved = self.saved.read();
        if saved != Links::default() {
            self.apply(saved).await?;
        }
        Ok(())
    }

    pub(crate) async fn apply(
        &self,
        links: Links,
    ) -> Result<(String, Vec<AppliedClass>), AgentError> {
        for class in &links.classes {
            class.check()?;
        }
        let _changing = self.changing.lock().await;
        self.players().pause();
        let kernel = Kernel::open(self.address).await?;
        if links.mtu_bytes > 0 {
            kernel.set_mtu(links.mtu_bytes).await?;
        }
        let made = kernel.replace(&links.classes, links.packet_bytes()).await;
        if made.is_err() {
            self.remember(Links::default());
        }
        made?;
        tracing::info!(
            "links applied on {}: {} classes",
            kernel.name,
            links.classes.len()
        );
        self.players().start(&links.classes, self.address);
        self.remember(links);
        Ok((kernel.name.clone(), self.applied()))
    }

    /// Changes the numbers of one class, and whether its peers are cut off.
    pub(crate) async fn set(&self, link: LinkClass) -> Result<AppliedClass, AgentError> {
        link.check()?;
        let _changing = self.changing.lock().await;
        let old = self.lock().clone();
        let mut new = old.clone();
        let known: Vec<String> = old.classes.iter().map(|c| c.name.clone()).collect();
        let found = new.classes.iter_mut().enumerate();
        let Some((index, class)) = found.into_iter().find(|(_, c)| c.name == link.name) else {
            return Err(AgentError::NotFound {
                what: "link class",
                name: link.name,
                known,
            });
        };
        let nodes = |class: &LinkClass| class.peers.iter().map(|p| p.node.clone()).collect();
        let (has, asked): (Vec<String>, Vec<String>) = (nodes(class), nodes(&link));
        if has != asked {
            return Err(AgentError::Invalid(format!(
                "link class `{}` has the peers {}, not {}",
                link.name,
                has.join(" "),
                asked.join(" ")
            )));
        }
        *class = link;
        self.players().pause();
        let kernel = Kernel::open(self.address).await?;
        let classes = (&old.classes[..], &new.classes[..]);
        let changed = kernel.update(classes, old.packet_bytes()).await;
        self.players().resume(
            changed.as_ref().map_or(&old, |()| &new).classes.as_slice(),
            self.address,
        );
        changed?;
        self.remember(new);
        let mut applied = self.applied();
        Ok(applied.swap_remove(index))
    }

    /// Starts all traces from where they begin; how many there are.
    pub(crate) async fn start_traces(&self) -> u32 {
        let _changing = self.changing.lock().await;
        let classes = self.lock().classes.clone();
        self.players().start(&classes, self.address)
    }

    /// What is in force: nothing where another program removed any of it.
    pub(crate) async fn in_force(&self) -> Result<Vec<AppliedClass>, AgentError> {
        let _changing = self.changing.lock().await;
        let links = self.lock().clone();
        if links.classes.is_empty() {
            return Ok(Vec::new());
        }
        let kernel = Kernel::open(self.address).await?;
        if kernel.has(&links.classes, links.packet_bytes()).await? {
            return Ok(self.applied());
        }
        tracing::warn!("links of {} were removed by another program", kernel.name);
        Ok(Vec::new())
    }

    /// What was applied last.
    fn applied(&self) -> Vec<AppliedClass> {
        let (links, players) = (self.lock().clone(), self.players());
        let classes = links.classes.into_iter().enumerate();
        classes
            .map(|(index, link)| AppliedClass {
                queue_limit_packets: link.queue_limit_packets(),
                progress: players.progress(index),
                link,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn players(&self) -> MutexGuard<'_, Players> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the kernel has, whether or not there is room to keep it.
    fn remember(&self, links: Links) {
        if let Err(error) = self.saved.write(&links) {
            tracing::error!(
                "links are lost when this node starts again: {}",
                crate::error::chain(&error)
            );
            self.saved.forget();
        }
        *self.lock() = links;
    }

    /// What `tc` says, with counters.
    pub(crate) async fn tc_text(&self) -> Result<(String, String), AgentError> {
        let device = Kernel::open(self.address).await?.name.clone();
        let mut text = Vec::new();
        for what in ["qdisc", "class", "filter"] {
            let argv = ["tc", "-s", what, "show", "dev", &device];
            text.extend(process::run(&argv, None, DEADLINE).await?.stdout);
        }
        let argv = ["tc", "-s", "filter", "show", "dev", &device, "ingress"];
        // Without links there is nowhere to look.
        let incoming = process::run_unchecked(&argv, None, DEADLINE).await?;
        text.extend(incoming.stdout);
        Ok((device, String::from_utf8_lossy(&text).into_owned()))
    }
}
