//! Functions while they are called: replicas, what they use, their pods.

use super::{LOOK_AGAIN_AFTER, gateway};
use crate::{deploy::execution_models::FUNCTION_NAMESPACE, session::Session};
use continuum_cluster::{FunctionPods, client, node_times, usage};
use continuum_host::error::Error;
use continuum_model::{
    Clocks, ControllerClock, ControllerTime, FunctionSample, PodRecord, Role, clock_offset,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two looks at what nodes say of CPU and memory, each of which costs them something.
const USAGE_PERIOD: Duration = Duration::from_secs(5);

/// Looks at functions until it is asked for what it saw.
pub(in crate::bench) struct FunctionSampler {
    stop: CancellationToken,
    seen: JoinHandle<FunctionSamples>,
}

/// What a sampler saw.
#[derive(Debug, Default)]
pub(in crate::bench) struct FunctionSamples {
    pub(in crate::bench) samples: Vec<FunctionSample>,
    pub(in crate::bench) pods: Vec<PodRecord>,
}

impl FunctionSampler {
    pub(in crate::bench) fn start(
        session: &Session,
        clock: ControllerClock,
    ) -> Result<Self, Error> {
        let gateway = gateway(session)?;
        let client = client(&session.deployment, &session.plan)?;
        let workers = session.plan.nodes.iter().filter(|n| n.role == Role::Worker);
        let workers: Vec<String> = workers
            .map(|n| continuum_model::node_name(&n.name))
            .collect();
        let stop = CancellationToken::new();
        let ended = stop.clone();
        let seen = tokio::spawn(async move {
            let mut samples = Vec::new();
            let mut pods = FunctionPods::new(client.clone(), FUNCTION_NAMESPACE);
            let mut used: BTreeMap<String, usage::Used> = BTreeMap::new();
            let mut looked: Option<Instant> = None;
            let mut tick = tokio::time::interval(LOOK_AGAIN_AFTER);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = ended.cancelled() => {
                        let pods = pods.finish();
                        return FunctionSamples { samples, pods };
                    }
                    _ = tick.tick() => {}
                }
                pods.look().await;
                if looked.is_none_or(|at| at.elapsed() > USAGE_PERIOD) {
                    used = usage::by_function(&client, &workers, FUNCTION_NAMESPACE).await;
                    looked = Some(Instant::now());
                }
                // A gateway that is away is part of some experiments: there is no sample then.
                let Ok(all) = gateway.list().await else {
                    continue;
                };
                let time_unix_ns = clock.now();
                samples.extend(all.into_iter().map(|status| {
                    let used = used.get(&status.name);
                    FunctionSample {
                        time_unix_ns,
                        replicas: status.replicas,
                        available: status.available_replicas,
                        cpu_cores: used.map(|u| u.cpu_cores),
                        memory_bytes: used.map(|u| u.memory_bytes),
                        function: status.name,
                    }
                }));
            }
        });
        Ok(Self { stop, seen })
    }

    /// With what nodes noted of the pods since then.
    pub(in crate::bench) async fn finish(
        self,
        session: &Session,
        clocks: &Clocks,
        begun: ControllerTime,
    ) -> FunctionSamples {
        self.stop.cancel();
        let mut seen = self.seen.await.unwrap_or_default();
        let workers = session.nodes().filter(|(n, _)| n.role == Role::Worker);
        for (_, agent) in workers {
            let since = clock_offset(clocks, agent.node()).to_node(begun);
            let mut times = node_times(&**agent, since).await;
            for pod in &mut seen.pods {
                if let Some(own) = times.remove(&pod.pod) {
                    pod.node_times_unix_ns = own;
                }
            }
        }
        seen
    }
}
