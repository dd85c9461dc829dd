//! What was asked of the links of a deployment that runs, and what they are by that.
//!
//! Requests speak of tiers and of nodes; what they do is kept for each two nodes: a cut holds until a restore, a number until
//! another or a restore, whichever words were used for the same two nodes. Requests of a timeline go when it ends; what was
//! asked by hand before and meanwhile stays.

use super::links_of;
use continuum_config::{Action, Change, LinkChange, Network};
use continuum_model::{Link, LinkClass, NodePlan, Peer};
use serde::{Deserialize, Serialize};

/// One request, in the words of `network` and of timelines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LinkRequest {
    action: Action,
    /// The run whose timeline asked.
    timeline: Option<String>,
}

/// As it stands in `links.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Request {
        request: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeline: Option<String>,
    },
    /// Older format of `links.json`, read only.
    Change(LinkChange),
}

impl TryFrom<Stored> for LinkRequest {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Ok(match stored {
            Stored::Request { request, timeline } => Self {
                action: request.parse()?,
                timeline,
            },
            Stored::Change(change) => Self {
                action: Action::Change(change),
                timeline: None,
            },
        })
    }
}

impl From<LinkRequest> for Stored {
    fn from(request: LinkRequest) -> Self {
        Self::Request {
            request: request.action.to_string(),
            timeline: request.timeline,
        }
    }
}

impl std::fmt::Display for LinkRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.action.fmt(f)?;
        match &self.timeline {
            Some(run) => write!(f, " (timeline of {run})"),
            None => Ok(()),
        }
    }
}

impl LinkRequest {
    fn concerns(&self, one: &NodePlan, other: &NodePlan) -> bool {
        let (Action::Change(LinkChange { a, b, .. }) | Action::Restore { a, b }) = &self.action
        else {
            return false;
        };
        let is = |place: &str, node: &NodePlan| place == node.name || place == node.tier.name();
        (is(a, one) && is(b, other)) || (is(a, other) && is(b, one))
    }
}

/// By how much the link between two nodes is not that of the config.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Difference {
    is_cut: bool,
    latency_ms: Option<f64>,
    jitter_ms: Option<f64>,
    loss_percent: Option<f64>,
    rate_mbit: Option<f64>,
}

impl Difference {
    fn after(self, action: &Action) -> Self {
        match action {
            Action::Restore { .. } => Self::default(),
            Action::Restart { .. } => self,
            Action::Change(change) => match change.change {
                Change::Cut => Self {
                    is_cut: true,
                    ..self
                },
                Change::Set {
                    latency_ms,
                    jitter_ms,
                    loss_percent,
                    rate_mbit,
                } => Self {
                    is_cut: self.is_cut,
                    latency_ms: latency_ms.or(self.latency_ms),
                    jitter_ms: jitter_ms.or(self.jitter_ms),
                    loss_percent: loss_percent.or(self.loss_percent),
                    rate_mbit: rate_mbit.or(self.rate_mbit),
                },
            },
        }
    }

    fn of(self, link: Link) -> Link {
        let loss_percent = self.loss_percent.unwrap_or(link.loss_percent);
        Link {
            latency_ms: self.latency_ms.unwrap_or(link.latency_ms),
            jitter_ms: self.jitter_ms.unwrap_or(link.jitter_ms),
            loss_percent: if self.is_cut { 100.0 } else { loss_percent },
            rate_mbit: self.rate_mbit.unwrap_or(link.rate_mbit),
        }
    }
}

/// Requests that hold, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkRequests(Vec<LinkRequest>);

impl LinkRequests {
    /// Whether all links are those of the config.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &LinkRequest> {
        self.0.iter()
    }

    /// Adds one, by hand or of a run's timeline, and forgets those that it makes void.
    pub fn add(&mut self, action: Action, timeline: Option<&str>, nodes: &[NodePlan]) {
        self.0.push(LinkRequest {
            action,
            timeline: timeline.map(str::to_owned),
        });
        self.forget_void(nodes);
    }

    /// Whether a timeline asked for some of it.
    pub fn has_timeline(&self) -> bool {
        self.iter().any(|request| request.timeline.is_some())
    }

    /// Takes back what timelines asked for.
    pub fn end_timelines(&mut self, nodes: &[NodePlan]) {
        self.0.retain(|request| request.timeline.is_none());
        self.forget_void(nodes);
    }

    /// One without which every link is as it is, now and when the timelines have ended.
    fn forget_void(&mut self, nodes: &[NodePlan]) {
        let mut index = 0;
        while let Some(request) = self.0.get(index) {
            let others = || {
                let all = self.0.iter().enumerate();
                all.filter(move |(at, _)| *at != index).map(|(_, r)| r)
            };
            let by_hand = |request: &&LinkRequest| request.timeline.is_none();
            let is_void = pairs(nodes)
                .filter(|(one, other)| request.concerns(one, other))
                .all(|(one, other)| {
                    let now = difference(self.iter(), one, other);
                    let afterwards = difference(self.iter().filter(by_hand), one, other);
                    now == difference(others(), one, other)
                        && afterwards == difference(others().filter(by_hand), one, other)
                });
            if is_void {
                self.0.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Classes of one node. Peers of a tier stay one class as long as their links are alike; one whose link is another
    /// gets a class of its own, with its name.
    pub fn links_of(
        &self,
        node: &NodePlan,
        nodes: &[NodePlan],
        network: &Network,
    ) -> Vec<LinkClass> {
        let mut classes: Vec<LinkClass> = Vec::new();
        for mut tier in links_of(node, nodes, network) {
            let base = Link {
                latency_ms: tier.latency_ms,
                jitter_ms: tier.jitter_ms,
                loss_percent: tier.loss_percent,
                rate_mbit: tier.rate_mbit,
            };
            let link_to = |peer: &Peer| {
                let other = nodes.iter().find(|n| n.name == peer.node);
                other.map_or(base, |other| difference(self.iter(), node, other).of(base))
            };
            let links: Vec<Link> = tier.peers.iter().map(link_to).collect();
            let peers = std::mem::take(&mut tier.peers);
            if links.windows(2).all(|w| w.first() == w.last()) {
                let link = links.first().copied().unwrap_or(base);
                classes.push(class(&tier.name, link, peers));
                continue;
            }
            let mut alike = Vec::new();
            let mut own = Vec::new();
            for (peer, link) in peers.into_iter().zip(links) {
                if link == base {
                    alike.push(peer);
                } else {
                    own.push(class(&peer.node.clone(), link, vec![peer]));
                }
            }
            if !alike.is_empty() {
                classes.push(class(&tier.name, base, alike));
            }
            classes.extend(own);
        }
        classes
    }
}

fn pairs(nodes: &[NodePlan]) -> impl Iterator<Item = (&NodePlan, &NodePlan)> {
    let later = |index| nodes.iter().skip(index + 1);
    let each = nodes.iter().enumerate();
    each.flat_map(move |(index, one)| later(index).map(move |other| (one, other)))
}

fn difference<'a>(
    requests: impl Iterator<Item = &'a LinkRequest>,
    one: &NodePlan,
    other: &NodePlan,
) -> Difference {
    requests
        .filter(|request| request.concerns(one, other))
        .fold(Difference::default(), |so_far, request| {
            so_far.after(&request.action)
        })
}

fn class(name: &str, link: Link, peers: Vec<Peer>) -> LinkClass {
    LinkClass {
        overhead_ms: 0.0,
        name: name.to_owned(),
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        loss_percent: link.loss_percent,
        rate_mbit: link.rate_mbit,
        peers,
    }
}

#[cfg(test)]
mod tests;
