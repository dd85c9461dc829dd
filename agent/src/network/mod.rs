//! Emulated links: on the egress side of this node, one HTB class per kind of peer with netem under it.
//!
//! ```text
//! device  root 1: htb (what matches no filter is not shaped: controller, internet)
//!           class 1:1 rate of tier A ── netem 10: delay, jitter, loss     <- flower filters, one per prefix
//!           class 1:2 rate of tier B ── netem 20:
//! ```
//! Flower filters hash per prefix length, so the cost of a packet does not grow with the number of peers.
//! Both ends shape what they send, so a round trip takes twice the latency, as upstream does it. What a packet's way takes
//! by itself, without netem, is measured by the controller and taken off the delay.

mod probe;
mod saved_links;
mod tc;

use crate::{error::AgentError, process};
use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) use probe::probe;
pub(crate) use tc::queue_limit_packets;

/// `nft` and `tc` answer within milliseconds; one `nft` took more than ten seconds while five emulated machines started.
const DEADLINE: Duration = Duration::from_mins(1);

/// One kind of peer and how far away it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkClass {
    /// Usually the peers' tier.
    pub name: String,
    /// One way.
    pub latency_ms: f64,
    /// Standard deviation of the latency.
    pub jitter_ms: f64,
    /// Share of packets lost.
    pub loss_percent: f64,
    /// Shared by all peers of the class.
    pub rate_mbit: f64,
    /// What a packet's way takes by itself; the emulated delay is shorter by it.
    pub overhead_ms: f64,
    /// Nodes with their prefixes.
    pub peers: Vec<Peer>,
}

/// A node on the other side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub node: String,
    /// Addresses that belong to it, as prefixes.
    pub prefixes: Vec<ipnet::Ipv4Net>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AppliedClass {
    pub link: LinkClass,
    /// Packets the netem queue holds.
    pub queue_limit_packets: u32,
}

/// Links of this node.
#[derive(Debug)]
pub(crate) struct Network {
    address: IpAddr,
    applied: Mutex<Vec<AppliedClass>>,
    saved: saved_links::SavedLinks,
    /// One change after the other: what is remembered is what the kernel has.
    changing: tokio::sync::Mutex<()>,
}

impl Network {
    /// For the device that carries `address`.
    pub(crate) fn new(address: IpAddr, data_dir: &Path) -> Self {
        Self {
            address,
            applied: Mutex::default(),
            saved: saved_links::SavedLinks::below(data_dir),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Applies what was applied before the agent, or the node, started again.
    pub(crate) async fn restore(&self) -> Result<(), AgentError> {
        let saved = self.saved.read();
        if !saved.is_empty() {
            self.apply(saved).await?;
        }
        Ok(())
    }

    /// Name of the device that carries the node's address.
    pub(crate) async fn device(&self) -> Result<String, AgentError> {
        let output = process::run(&["ip", "-json", "address", "show"], None, DEADLINE).await?;
        find_device(&output.stdout, self.address).ok_or_else(|| AgentError::NotFound {
            what: "network device with address",
            name: self.address.to_string(),
            known: Vec::new(),
        })
    }

    pub(crate) async fn apply(
        &self,
        classes: Vec<LinkClass>,
    ) -> Result<(String, Vec<AppliedClass>), AgentError> {
        for class in &classes {
            tc::check(class)?;
        }
        let _changing = self.changing.lock().await;
        let device = self.device().await?;
        // Deleting a root that is not there fails, which is fine.
        process::run_unchecked(
            &["tc", "qdisc", "del", "dev", &device, "root"],
            None,
            DEADLINE,
        )
        .await?;
        if !classes.is_empty() {
            let script = tc::script(&device, &classes);
            process::run(&["tc", "-batch", "-"], Some(script.as_bytes()), DEADLINE).await?;
        }
        let applied: Vec<AppliedClass> = classes
            .into_iter()
            .map(|link| AppliedClass {
                queue_limit_packets: queue_limit_packets(&link),
                link,
            })
            .collect();
        self.remember(applied.clone());
        tracing::info!("links applied on {device}: {} classes", applied.len());
        Ok((device, applied))
    }

    /// Changes latency, jitter, loss and rate of one class.
    pub(crate) async fn set(&self, link: LinkClass) -> Result<AppliedClass, AgentError> {
        tc::check(&link)?;
        let _changing = self.changing.lock().await;
        let mut applied = self.applied();
        let known: Vec<String> = applied.iter().map(|c| c.link.name.clone()).collect();
        let Some((index, class)) = applied
            .iter_mut()
            .enumerate()
            .find(|(_, c)| c.link.name == link.name)
        else {
            return Err(AgentError::NotFound {
                what: "link class",
                name: link.name,
                known,
            });
        };
        class.queue_limit_packets = queue_limit_packets(&link);
        class.link = LinkClass {
            peers: class.link.peers.clone(),
            ..link
        };
        let changed = class.clone();
        let device = self.device().await?;
        let script = tc::change_script(&device, index, &changed.link);
        process::run(&["tc", "-batch", "-"], Some(script.as_bytes()), DEADLINE).await?;
        self.remember(applied);
        Ok(changed)
    }

    /// What was applied last.
    pub(crate) fn applied(&self) -> Vec<AppliedClass> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AppliedClass>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the kernel has, whether or not there is room to keep it.
    fn remember(&self, classes: Vec<AppliedClass>) {
        let links: Vec<&LinkClass> = classes.iter().map(|class| &class.link).collect();
        if let Err(error) = self.saved.write(&links) {
            tracing::error!(
                "links are lost when this node starts again: {}",
                crate::error::chain(&error)
            );
            self.saved.forget();
        }
        *self.lock() = classes;
    }

    /// What `tc` says, with counters.
    pub(crate) async fn tc_text(&self) -> Result<(String, String), AgentError> {
        let device = self.device().await?;
        let qdisc = process::run(
            &["tc", "-s", "qdisc", "show", "dev", &device],
            None,
            DEADLINE,
        )
        .await?;
        let class = process::run(
            &["tc", "-s", "class", "show", "dev", &device],
            None,
            DEADLINE,
        )
        .await?;
        let text = [qdisc.stdout, class.stdout].concat();
        Ok((device, String::from_utf8_lossy(&text).into_owned()))
    }
}

fn find_device(json: &[u8], address: IpAddr) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Device {
        ifname: String,
        #[serde(default)]
        addr_info: Vec<Address>,
    }
    #[derive(serde::Deserialize)]
    struct Address {
        #[serde(default)]
        local: Option<IpAddr>,
    }
    let devices: Vec<Device> = serde_json::from_slice(json).ok()?;
    devices
        .into_iter()
        .find(|d| d.addr_info.iter().any(|a| a.local == Some(address)))
        .map(|d| d.ifname)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_found_by_its_address() {
        let json = br#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1"}]},{},
            {"ifname":"ens2","addr_info":[{"family":"inet","local":"192.168.100.2","prefixlen":16}]}]"#;
        // One entry is not a device, as `ip` prints for filtered ones: the whole answer is refused then.
        assert_eq!(find_device(json, "192.168.100.2".parse().unwrap()), None);
        let json = br#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1"}]},
            {"ifname":"ens2","addr_info":[{"family":"inet","local":"192.168.100.2","prefixlen":16}]}]"#;
        assert_eq!(
            find_device(json, "192.168.100.2".parse().unwrap()).unwrap(),
            "ens2"
        );
        assert_eq!(find_device(json, "192.168.100.3".parse().unwrap()), None);
    }
}
