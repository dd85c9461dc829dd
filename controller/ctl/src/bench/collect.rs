//! What is looked at during a run, and what is brought together after it.

use super::{
    boots::boots_of,
    clock_offsets::clocks_of_answering,
    clock_watch::ClockWatch,
    functions::{FunctionSampler, FunctionSamples},
    measurement::Measurement,
    placement::RunPlacement,
    run_watch::{Watched, stop},
};
use crate::{report::NodeMetrics, session::Session};
use continuum_agents::{Agent, MetricsFrom, Runner};
use continuum_host::error::{Error, chain};
use continuum_model::{
    ClockPair, ClockTrack, Clocks, ControllerTime, MetricsBatch, NodeRun, node_name,
};
use continuum_workload_core::{call::Call, photo_sample::Sample};
use futures_util::{StreamExt, future::join_all, stream};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Runs whose samples come at the same time: some megabytes each.
const AT_ONCE: usize = 8;

/// Who looks on while a run is under way.
pub(super) struct Observers {
    functions: Option<FunctionSampler>,
    metrics: Metrics,
    clocks: ClockWatch,
}

/// What there is of a run that is over.
pub(super) struct Collected {
    pub(super) runs: Vec<NodeRun>,
    /// Of nodes that do not answer.
    pub(super) consoles: BTreeMap<String, String>,
    pub(super) clocks: Clocks,
    pub(super) clock_tracks: BTreeMap<String, ClockTrack>,
    pub(super) metrics: BTreeMap<String, NodeMetrics>,
    /// `None` where no functions are called.
    pub(super) functions: Option<FunctionSamples>,
    pub(super) boots: BTreeMap<String, String>,
}

impl Observers {
    pub(super) fn start(session: &Session, measurement: &Measurement) -> Result<Self, Error> {
        let clock = measurement.clock;
        let calls_functions = session.plan.execution_model.is_some();
        let functions = calls_functions.then(|| FunctionSampler::start(session, clock));
        Ok(Self {
            functions: functions.transpose()?,
            metrics: Metrics::start(session),
            clocks: ClockWatch::start(session, clock, &measurement.clocks),
        })
    }

    /// Ends what still runs, and brings everything together.
    pub(super) async fn collect(
        self,
        session: &Session,
        measurement: &Measurement,
        placement: &RunPlacement,
        watched: Vec<Watched>,
        begun: ControllerTime,
    ) -> Collected {
        let mut runs = gather(session, watched).await;
        let complete = placement.complete(session, measurement, &mut runs, begun);
        complete.await;
        let after = clocks_of_answering(session).await;
        let silent = session.plan.nodes.iter().map(|node| node.name.as_str());
        let silent = silent.filter(|node| !after.contains_key(*node));
        let consoles = consoles(session, silent).await;
        let clock_tracks = self.clocks.finish(&after);
        let clocks = measurement.clocks.iter().map(|(node, before)| {
            let pair = ClockPair {
                before: *before,
                after: after.get(node).copied(),
                stepped_ns: clock_tracks.get(node).map_or(0, ClockTrack::stepped_ns),
            };
            (node.clone(), pair)
        });
        let clocks: Clocks = clocks.collect();
        let metrics = self.metrics.finish().await;
        let functions = match self.functions {
            Some(sampler) => Some(sampler.finish(session, &clocks, begun).await),
            None => None,
        };
        Collected {
            runs,
            consoles,
            clocks,
            clock_tracks,
            metrics,
            functions,
            boots: boots_of(session).await,
        }
    }
}

/// The end of what these nodes' machines said, where it is kept.
async fn consoles<'a>(
    session: &Session,
    nodes: impl Iterator<Item = &'a str>,
) -> BTreeMap<String, String> {
    let Session {
        context,
        deployment,
        provider,
        ..
    } = session;
    let mut consoles = BTreeMap::new();
    for node in nodes {
        let console = provider.console(context, deployment, node).await;
        consoles.extend(console.map(|text| (node.to_owned(), text)));
    }
    consoles
}

/// Ends what still runs, and brings everything that runs left.
async fn gather(session: &Session, mut watched: Vec<Watched>) -> Vec<NodeRun> {
    if watched.iter().any(|one| one.run.exit.is_none()) {
        // Side by side: each dead node takes its whole deadline.
        let ends = watched
            .iter_mut()
            .filter(|one| one.run.exit.is_none())
            .map(stop);
        join_all(ends).await;
    }
    for one in &mut watched {
        one.drain();
        one.watcher.abort();
    }
    let runs = watched.into_iter().map(|one| bring(session, one));
    stream::iter(runs).buffered(AT_ONCE).collect().await
}

/// One run, with what it left where it ran.
async fn bring(session: &Session, watched: Watched) -> NodeRun {
    let Watched {
        mut run, runner, ..
    } = watched;
    if let Err(error) = samples(&*runner, &mut run).await {
        run.problems.push(chain(&error));
    }
    if let Err(error) = calls(&*runner, &mut run).await {
        run.problems.push(chain(&error));
    }
    if let Some(pod) = runner.pod() {
        run.started.cpu_max.clone_from(&pod.cpu_max);
        run.started.memory_max.clone_from(&pod.memory_max);
        // The scheduler may have had it otherwise.
        let mut nodes = session.plan.nodes.iter();
        if let Some(node) = nodes.find(|n| node_name(&n.name) == pod.node) {
            run.plan.node.clone_from(&node.name);
        }
        run.pod = Some(pod);
    }
    run
}

/// Samples of one run; a node that is gone has none.
async fn samples(runner: &dyn Runner, run: &mut NodeRun) -> Result<(), Error> {
    if run.lost || !run.plan.spec.role.leaves_samples() {
        return Ok(());
    }
    let bytes = runner.collect(&run.remote_id, "samples.csv").await?;
    let text = String::from_utf8_lossy(&bytes);
    let (samples, bad) = Sample::read(&text);
    run.samples = samples;
    run.problems.extend(not_understood("samples.csv", bad));
    Ok(())
}

fn not_understood(file: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let lines = lines.into_iter();
    lines.map(move |line| format!("a line of {file} is not understood: {line}"))
}

/// Calls of functions that one run made.
async fn calls(runner: &dyn Runner, run: &mut NodeRun) -> Result<(), Error> {
    if run.lost || !run.plan.spec.role.leaves_calls() {
        return Ok(());
    }
    let bytes = runner.collect(&run.remote_id, "calls.csv").await?;
    let text = String::from_utf8_lossy(&bytes);
    let (calls, bad) = Call::read(&text);
    run.calls = calls;
    run.problems.extend(not_understood("calls.csv", bad));
    Ok(())
}

/// Metric streams of all nodes, read as they come: an agent's buffer holds ten minutes, ours would hold one.
struct Metrics {
    readers: Vec<(String, JoinHandle<NodeMetrics>)>,
    stop: CancellationToken,
}

impl Metrics {
    fn start(session: &Session) -> Self {
        let stop = CancellationToken::new();
        let readers = session
            .agents()
            .iter()
            .map(|agent| {
                let (own, stop) = (Arc::clone(agent), stop.clone());
                let reader = tokio::spawn(async move { read(&*own, stop).await });
                (agent.node().to_owned(), reader)
            })
            .collect();
        Self { readers, stop }
    }

    /// Everything they brought.
    async fn finish(self) -> BTreeMap<String, NodeMetrics> {
        // One more second, so that the last sample of the run is in.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        self.stop.cancel();
        let mut all = BTreeMap::new();
        for (node, reader) in self.readers {
            all.insert(node, reader.await.unwrap_or_default());
        }
        all
    }
}

async fn read(agent: &dyn Agent, stop: CancellationToken) -> NodeMetrics {
    let (sender, mut batches) = mpsc::channel::<MetricsBatch>(64);
    let mut metrics = NodeMetrics::default();
    let whole = &mut metrics.batch;
    let take = async {
        while let Some(batch) = batches.recv().await {
            whole.samples.extend(batch.samples);
            whole.events.extend(batch.events);
            whole.dropped += batch.dropped;
        }
    };
    let stream = async {
        let ended = agent.stream_metrics(sender, MetricsFrom::Now).await;
        ended.map_or_else(|e| chain(&e), |()| "the agent ended it".to_owned())
    };
    tokio::select! {
        (why, ()) = async { tokio::join!(stream, take) } => metrics.broken = Some(why),
        () = stop.cancelled() => {}
    }
    metrics
}
