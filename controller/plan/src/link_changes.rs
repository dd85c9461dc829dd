//! What was asked of the links of a deployment that runs, and what they are by that.
//!
//! Requests speak of tiers and of nodes; what they do is kept for each two nodes: a cut holds until a restore, a number until
//! another or a restore, whichever words were used for the same two nodes. Requests of a timeline go when it ends; what was
//! asked by hand before and meanwhile stays.

use super::links;
use continuum_config::{Action, Change, LinkChange, Network, OneWay};
use continuum_model::{LinkClass, LinkSettings, NodePlan};
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
    #[serde(skip_serializing)]
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
    fn concerns(&self, from: &NodePlan, to: &NodePlan) -> bool {
        let Some(ends) = self.action.ends() else {
            return false;
        };
        let is_back = || to.is_at(&ends.a) && from.is_at(&ends.b);
        (from.is_at(&ends.a) && to.is_at(&ends.b)) || (!ends.is_one_way && is_back())
    }
}

/// By how much the link from one node to another is not that of the config.
#[derive(Debug, Clone, Default, PartialEq)]
struct Difference {
    is_cut: bool,
    settings: LinkSettings,
}

impl Difference {
    fn after(self, action: &Action) -> Self {
        match action {
            Action::Restore(_) => Self::default(),
            Action::Restart { .. } => self,
            Action::Change(change) => match &change.change {
                Change::Cut => Self {
                    is_cut: true,
                    ..self
                },
                Change::Set(settings) => Self {
                    settings: settings.after(&self.settings),
                    ..self
                },
            },
        }
    }

    fn of(&self, way: OneWay) -> OneWay {
        let mut way = way.with(&self.settings);
        if self.is_cut {
            way.link.loss_percent = 100.0;
        }
        way
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
            let is_void = ways(nodes)
                .filter(|(from, to)| request.concerns(from, to))
                .all(|(from, to)| {
                    let now = difference(self.iter(), from, to);
                    let afterwards = difference(self.iter().filter(by_hand), from, to);
                    now == difference(others(), from, to)
                        && afterwards == difference(others().filter(by_hand), from, to)
                });
            if is_void {
                self.0.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Classes of one node, with all that holds.
    pub fn links_of(
        &self,
        node: &NodePlan,
        nodes: &[NodePlan],
        network: &Network,
    ) -> Vec<LinkClass> {
        links::classes(node, nodes, network, &|from, to| {
            let way = network.between(from, to)?;
            Some(difference(self.iter(), from, to).of(way))
        })
    }
}

/// Each two nodes, both ways.
fn ways(nodes: &[NodePlan]) -> impl Iterator<Item = (&NodePlan, &NodePlan)> {
    let others = |one: &NodePlan| {
        let slot = one.slot;
        nodes.iter().filter(move |other| other.slot != slot)
    };
    nodes
        .iter()
        .flat_map(move |from| others(from).map(move |to| (from, to)))
}

fn difference<'a>(
    requests: impl Iterator<Item = &'a LinkRequest>,
    from: &NodePlan,
    to: &NodePlan,
) -> Difference {
    requests
        .filter(|request| request.concerns(from, to))
        .fold(Difference::default(), |so_far, request| {
            so_far.after(&request.action)
        })
}

#[cfg(test)]
mod tests;
