//! Which run goes where: workers of a cluster into pods, everything else to its node's agent.

use super::{Runner, runner::OnAgent};
use crate::{
    agents::{Agent, GrpcAgent},
    applications::{Phase, RunPlan},
    cluster::{Pods, check_ready, client, node_times},
    config::Config,
    deploy,
    error::Error,
    managers,
    plan::{Plan, Role},
    provider::Context,
    report::NodeRun,
    state::Deployment,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A run may wait so long before it begins.
const START_SLACK: Duration = Duration::from_mins(10);

/// Where runs of one bench can go.
#[derive(Debug)]
pub(super) struct Places {
    pods: Option<Pods>,
}

impl Places {
    /// Prepares them: a cluster's workers get the image, should they lack it.
    pub(super) async fn open(
        context: &Context,
        deployment: &Deployment,
        config: &Config,
        plan: &Plan,
        agents: &[GrpcAgent],
        bench: &str,
        deadline: Duration,
    ) -> Result<Self, Error> {
        let manager = managers::find(&config.software.resource_manager);
        let cluster = manager
            .filter(|m| m.runs_in_pods())
            .and_then(managers::ResourceManager::cluster);
        let Some(cluster) = cluster else {
            return Ok(Self { pods: None });
        };
        check_ready(&config.name, &client(deployment, plan)?, plan).await?;
        let image = deploy::workload_image(context, config, cluster)?;
        let workers = agents.iter().zip(&plan.nodes);
        let installs =
            workers
                .filter(|(_, node)| node.role == Role::Worker)
                .map(|(agent, node)| {
                    let artifacts = [image.clone()];
                    async move {
                        let say = |step: crate::agents::InstallStep| {
                            context.progress.say(&format!(
                                "{}: {} {} {}",
                                node.name, step.step, step.state, step.detail
                            ));
                        };
                        agent
                            .install("container-images", BTreeMap::default(), &artifacts, &say)
                            .await
                    }
                });
        futures_util::future::try_join_all(installs).await?;
        let full = image.image.clone().unwrap_or_default();
        let reference = full.split('@').next().unwrap_or_default().to_owned();
        let pods = Pods::open(deployment, plan, bench, reference, deadline + START_SLACK).await?;
        Ok(Self { pods: Some(pods) })
    }

    /// The place of one run.
    pub(super) fn of(&self, run: &RunPlan, agents: &[GrpcAgent]) -> Result<Arc<dyn Runner>, Error> {
        let agent = agents
            .iter()
            .find(|a| a.node() == run.node)
            .ok_or_else(|| {
                Error::other(
                    format!("start run {}", run.id),
                    format!("there is no node {}", run.node),
                )
            })?
            .clone();
        Ok(match &self.pods {
            Some(pods) if run.phase == Phase::Worker => {
                Arc::new(pods.place(&run.spec.application, agent))
            }
            _ => Arc::new(OnAgent(agent)),
        })
    }

    /// Adds to runs in pods what their nodes noted of them.
    pub(super) async fn complete(
        &self,
        runs: &mut [NodeRun],
        agents: &[GrpcAgent],
        begun_unix_ns: i64,
    ) {
        // Clocks may differ, and earlier pods do no harm.
        let since = begun_unix_ns / 1_000_000_000 - 60;
        for agent in agents {
            let mut own = runs
                .iter_mut()
                .filter(|r| r.plan.node == agent.node())
                .filter_map(|r| r.pod.as_mut())
                .peekable();
            if own.peek().is_none() {
                continue;
            }
            let mut times = node_times(agent, since).await;
            for pod in own {
                pod.node_times_unix_ns = times.remove(&pod.pod).unwrap_or_default();
            }
        }
    }
}
