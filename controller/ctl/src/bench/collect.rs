//! Raw data from the nodes.

use crate::{report::NodeMetrics, session::Session};
use continuum_agents::{Agent, MetricsFrom, Runner};
use continuum_host::error::Error;
use continuum_model::{MetricsBatch, NodeRun};
use continuum_workload_core::{call::Call, photo_sample::Sample};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Samples of one run; a node that is gone has none.
pub(super) async fn samples(runner: &dyn Runner, run: &mut NodeRun) -> Result<(), Error> {
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
pub(super) async fn calls(runner: &dyn Runner, run: &mut NodeRun) -> Result<(), Error> {
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
pub(super) struct Metrics {
    readers: Vec<(String, JoinHandle<NodeMetrics>)>,
    stop: CancellationToken,
}

impl Metrics {
    pub(super) fn start(session: &Session) -> Self {
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
    pub(super) async fn finish(self) -> BTreeMap<String, NodeMetrics> {
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
        ended.map_or_else(
            |e| continuum_host::error::chain(&e),
            |()| "the agent ended it".to_owned(),
        )
    };
    tokio::select! {
        (why, ()) = async { tokio::join!(stream, take) } => metrics.broken = Some(why),
        () = stop.cancelled() => {}
    }
    metrics
}
