//! Which run goes where: workers of a cluster into pods, everything else to its node's agent, as a process or in a
//! container. Nodes get the images that they lack before anything starts.

use super::{agent_runner::AgentRunner, measurement::Measurement};
use crate::{artifacts, error::CommandError, session::Session};
use continuum_agents::{ArtifactSource, Runner};
use continuum_cluster::{Delivery, Image, Member, Pods, check_ready, client, node_times};
use continuum_config::KubeDeployment;
use continuum_host::error::Error;
use continuum_model::{ControllerTime, NodeRun, Phase, RunPlan};
use continuum_plan::managers;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A run may wait so long before it begins.
const START_SLACK: Duration = Duration::from_mins(10);

/// Where runs of one bench can go.
#[derive(Debug)]
pub(super) struct RunPlacement {
    pods: Option<Pods>,
    /// Of runs with agents; `None` = they are processes.
    runtime: Option<String>,
    /// By run.
    images: BTreeMap<String, Image>,
    /// What workers come to the cluster in, if they come together.
    delivery: Option<Arc<Delivery>>,
}

/// All workers together. Those that differ by more than their node have a Job each, whatever is asked for.
fn delivery(
    how: KubeDeployment,
    measurement: &Measurement,
    images: &BTreeMap<String, Image>,
) -> Result<Option<Arc<Delivery>>, Error> {
    let workers = measurement.runs.iter().filter(|r| r.phase == Phase::Worker);
    let workers: Vec<&RunPlan> = workers.collect();
    let Some(first) = workers.first() else {
        return Ok(None);
    };
    let are_alike = workers
        .iter()
        .all(|run| run.own.is_none() && first.does_the_same(run));
    let how = match how {
        KubeDeployment::Pod | KubeDeployment::Container if !are_alike => KubeDeployment::File,
        how => how,
    };
    let mut members = Vec::new();
    for run in &workers {
        let image = images.get(&run.id).cloned();
        let image = image.ok_or_else(|| CommandError::NoImageOfRun {
            run: run.id.clone(),
        })?;
        members.push(Member {
            run: measurement.start_of(run)?,
            node: run.node.clone(),
            image,
            own: run.own.clone(),
        });
    }
    let delivery = Delivery::new(how, &first.spec.application, &measurement.id, members);
    Ok(Some(Arc::new(delivery)))
}

impl RunPlacement {
    /// Prepares them. Nodes may be out of reach for `cut_off`, because the user wants it.
    pub(super) async fn open(
        session: &Session,
        measurement: &Measurement,
        cut_off: Duration,
    ) -> Result<Self, Error> {
        let Session {
            deployment,
            config,
            plan,
            ..
        } = session;
        let manager = managers::find(config.software.resource_manager);
        let in_pods = manager.is_some_and(managers::ResourceManager::runs_in_pods);
        let runtime = config.software.runtime().map(|r| r.to_string());
        let mut placement = Self {
            pods: None,
            runtime,
            images: BTreeMap::new(),
            delivery: None,
        };
        if in_pods {
            check_ready(&config.name, &client(deployment, plan)?, plan).await?;
            let deadline = measurement.deadline + START_SLACK;
            let pods = Pods::open(deployment, plan, &measurement.id, deadline, cut_off);
            placement.pods = Some(pods.await?);
        }
        placement.push_images(session, &measurement.runs).await?;
        if let Some(how) = measurement.kube_deployment.filter(|_| in_pods) {
            placement.delivery = delivery(how, measurement, &placement.images)?;
        }
        Ok(placement)
    }

    fn is_pod(&self, run: &RunPlan) -> bool {
        self.pods.is_some() && run.phase == Phase::Worker
    }

    /// Images to every node that runs them in containers; each archive is read once.
    async fn push_images(&mut self, session: &Session, runs: &[RunPlan]) -> Result<(), Error> {
        let mut archives: BTreeMap<Option<String>, ArtifactSource> = BTreeMap::new();
        let mut wanted: BTreeMap<(&str, String), Vec<ArtifactSource>> = BTreeMap::new();
        for run in runs {
            let runtime = if self.is_pod(run) {
                "containerd".to_owned()
            } else if let Some(runtime) = &self.runtime {
                runtime.clone()
            } else {
                continue;
            };
            let own = run.own.as_ref().map(|o| &o.image);
            let name = own.and_then(|o| o.image.clone());
            if let Some(image) = name
                .clone()
                .filter(|_| own.is_some_and(|o| o.archive().is_none()))
            {
                let image = Image {
                    reference: image,
                    is_brought: false,
                };
                self.images.insert(run.id.clone(), image);
                continue;
            }
            if !archives.contains_key(&name) {
                let archive = match own.and_then(|o| o.archive()) {
                    Some(path) => artifacts::image_archive(path)?,
                    None => artifacts::workload_image(&session.context)?,
                };
                archives.insert(name.clone(), archive);
            }
            let Some(archive) = archives.get(&name) else {
                continue;
            };
            let image = Image {
                reference: archive.reference().to_owned(),
                is_brought: true,
            };
            self.images.insert(run.id.clone(), image);
            let of_node = wanted.entry((&run.node, runtime)).or_default();
            if !of_node.contains(archive) {
                of_node.push(archive.clone());
            }
        }
        let installs = wanted
            .into_iter()
            .map(|((node, runtime), artifacts)| async move {
                let agent = session.agent(node)?;
                artifacts::push_images(&session.context, &**agent, &runtime, &artifacts).await
            });
        futures_util::future::try_join_all(installs)
            .await
            .map(|_| ())
    }

    /// Whether workers are asked for all at once.
    pub(super) fn is_together(&self) -> bool {
        self.delivery.is_some()
    }

    /// The place of one run among all.
    pub(super) fn of(&self, run: &RunPlan, session: &Session) -> Result<Arc<dyn Runner>, Error> {
        self.place(run, session, self.delivery.clone())
    }

    /// The place of one run by itself.
    pub(super) fn alone(&self, run: &RunPlan, session: &Session) -> Result<Arc<dyn Runner>, Error> {
        self.place(run, session, None)
    }

    fn place(
        &self,
        run: &RunPlan,
        session: &Session,
        delivery: Option<Arc<Delivery>>,
    ) -> Result<Arc<dyn Runner>, Error> {
        let agent = Arc::clone(session.agent(&run.node)?);
        let image = self.images.get(&run.id).cloned();
        Ok(match (&self.pods, image) {
            (Some(pods), Some(image)) if self.is_pod(run) => {
                Arc::new(pods.place(run, image, agent, delivery))
            }
            (_, image) => Arc::new(AgentRunner {
                agent,
                container: self.runtime.clone().zip(image.map(|i| i.reference)),
                own: run.own.clone(),
            }),
        })
    }

    /// Adds to runs in pods what their nodes noted of them.
    pub(super) async fn complete(
        &self,
        session: &Session,
        measurement: &Measurement,
        runs: &mut [NodeRun],
        begun: ControllerTime,
    ) {
        for agent in session.agents() {
            let mut own = runs
                .iter_mut()
                .filter(|r| r.plan.node == agent.node())
                .filter_map(|r| r.pod.as_mut())
                .peekable();
            if own.peek().is_none() {
                continue;
            }
            // Clocks may have been set since, and earlier pods do no harm.
            let begun = measurement.offset(agent.node()).to_node(begun);
            let times = node_times(&**agent, begun.plus_ns(-60_000_000_000)).await;
            for pod in own {
                let of_container = pod.container.as_ref();
                let of_container = of_container.map(|name| format!("{}/{name}", pod.pod));
                let stages = [Some(pod.pod.clone()), of_container].into_iter().flatten();
                let stages = stages.filter_map(|owner| times.get(&owner)).flatten();
                pod.node_times_unix_ns = stages.map(|(stage, at)| (*stage, *at)).collect();
            }
        }
    }
}
