//! What the dashboard shows of a deployment. No lock is taken: whoever works on it goes on.

mod application;
mod cluster;
mod exposition;
mod photos;
mod results;

use crate::{bench::live_run, deploy, session::Session, verify};
use continuum_agents::Agent;
use continuum_dashboard::{
    Application, ClockOffsets, ClusterView, CutLink, LinkView, NodeView, Source, Status, Topology,
    Work,
};
use continuum_host::{
    context::Context,
    error::{Error, chain},
    progress::Progress,
    state::{Deployment, Phase},
};
use continuum_model::{LiveRun, MeasuredNumber, Plan, TierPair};
use continuum_plan::LinkRequests;
use photos::Photos;
use results::Results;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// An API server is not asked at every look.
const CLUSTER_EVERY: Duration = Duration::from_secs(5);

/// Nodes that their cluster does not use, and why.
type Unready = BTreeMap<String, String>;

#[derive(Debug)]
pub struct LiveDeployment {
    session: Session,
    results: Results,
    unready: Mutex<Option<(Instant, Unready)>>,
    photos: Photos,
}

impl LiveDeployment {
    /// `results` is where benches of it put their result directories.
    pub fn open(context: &Context, name: &str, results: &Path) -> Result<Self, Error> {
        Ok(Self {
            session: Session::open(context, name)?,
            results: Results::new(results, name),
            unready: Mutex::default(),
            photos: Photos::default(),
        })
    }

    async fn unready(&self, deployment: &Deployment) -> Unready {
        let known = self.unready.lock();
        let known = known.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, unready)) = known
            && at.elapsed() < CLUSTER_EVERY
        {
            return unready;
        }
        let unready = deploy::unready_nodes(deployment, &self.session.plan).await;
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), unready.clone()));
        unready
    }
}

#[async_trait::async_trait]
impl Source for LiveDeployment {
    fn topology(&self) -> Topology {
        let Session {
            config,
            plan,
            deployment,
            provider,
            ..
        } = &self.session;
        let nodes = plan.nodes.iter().map(|node| NodeView {
            name: node.name.clone(),
            tier: node.tier,
            address: node.address.to_string(),
            cores: node.cores,
            quota: node.quota,
            memory_mib: node.memory_mib,
            has_broker: plan.brokers.contains(&node.name),
        });
        let is_emulated = config.network.is_emulated() && provider.capabilities().emulates_network;
        let links = TierPair::ALL.into_iter().filter_map(|TierPair(from, to)| {
            let link = config.network.link(from, to).filter(|_| is_emulated)?;
            let has = |tier| plan.nodes.iter().any(|node| node.tier == tier);
            (has(from) && has(to)).then_some(LinkView {
                from,
                to,
                latency_ms: link.latency_ms,
                jitter_ms: link.jitter_ms,
                loss_percent: link.loss_percent,
                rate_mbit: link.rate_mbit,
            })
        });
        Topology {
            name: plan.name.clone(),
            provider: deployment.provider().to_owned(),
            application: config.benchmark.as_ref().map(|b| b.kind().to_string()),
            nodes: nodes.collect(),
            links: links.collect(),
        }
    }

    fn agents(&self) -> Vec<Arc<dyn Agent>> {
        self.session.agents().to_vec()
    }

    async fn status(&self) -> Status {
        let Session { context, plan, .. } = &self.session;
        let mut status = Status {
            results: self.results.newest(),
            work: work(&context.progress),
            ..Status::default()
        };
        let deployment = match Deployment::load(&context.root, &plan.name) {
            Ok(Some(deployment)) if deployment.uuid() == self.session.deployment.uuid() => {
                deployment
            }
            Ok(_) => {
                status.phase = "down".into();
                let name = &plan.name;
                status.trouble.push(format!(
                    "this deployment is gone; after `continuum-ctl up {name}` start the dashboard again"
                ));
                return status;
            }
            Err(error) => {
                status.phase = "unknown".into();
                status.trouble.push(chain(&error));
                return status;
            }
        };
        status.phase = phase(&deployment).to_owned();
        let accelerator = deployment.facts().acceleration.as_ref();
        status.accelerator = accelerator.map(|a| a.as_text().to_owned());
        match deploy::link_requests(&deployment) {
            Ok(requests) => {
                status.in_force = requests.iter().map(ToString::to_string).collect();
                status.cut = cut_links(&requests, plan, &self.session);
            }
            Err(error) => status.trouble.push(chain(&error)),
        }
        match live_run(&deployment) {
            Ok(run) => {
                // Who writes samples is nothing for a page.
                let endpoints = Vec::new();
                status.run = run.map(|run| LiveRun { endpoints, ..run });
            }
            Err(error) => status.trouble.push(chain(&error)),
        }
        status.not_ready = self.unready(&deployment).await.into_iter().collect();
        status
    }

    async fn application(&self, clocks: &ClockOffsets) -> Option<Application> {
        // What cannot be read is told by `status`.
        let run = live_run(&self.session.deployment).ok()??;
        self.photos.application(&self.session, &run, clocks).await
    }

    fn measured(&self) -> Vec<MeasuredNumber> {
        // A file that is damaged is written anew by the next measurement.
        verify::last_measured(&self.session.deployment).unwrap_or_default()
    }

    async fn cluster(&self) -> Option<ClusterView> {
        cluster::cluster(&self.session).await
    }

    fn report(&self, result: &str) -> Option<PathBuf> {
        self.results.report(result)
    }
}

fn work(progress: &Progress) -> Work {
    let state = progress.state();
    let stages = state.stages.into_iter();
    Work {
        stage: state.stage,
        stages: stages.map(|s| (s.stage, s.seconds)).collect(),
    }
}

fn phase(deployment: &Deployment) -> &'static str {
    let missing = Phase::ALL.into_iter().find(|p| !deployment.is_done(*p));
    match missing {
        None => "up",
        Some(Phase::Infrastructure) => "infrastructure is missing",
        Some(Phase::Software) => "software is missing",
        Some(Phase::Network) => "links are missing",
    }
}

/// Pairs of nodes that let nothing through, each once.
fn cut_links(requests: &LinkRequests, plan: &Plan, session: &Session) -> Vec<CutLink> {
    if requests.is_empty() {
        return Vec::new();
    }
    let mut cut = Vec::new();
    for node in &plan.nodes {
        let classes = requests.links_of(node, &plan.nodes, &session.config.network);
        let closed = classes.into_iter().filter(|c| c.link.is_cut());
        for peer in closed.flat_map(|class| class.peers) {
            let is_later = plan.node(&peer.node).is_some_and(|p| p.slot > node.slot);
            if is_later {
                cut.push(CutLink {
                    from: node.name.clone(),
                    to: peer.node,
                });
            }
        }
    }
    cut
}
