//! Raw data from the nodes.

use crate::{
    agents::{Agent, GrpcAgent, MetricsBatch},
    error::Error,
    report::NodeRun,
};
use continuum_workload_core::record::Sample;
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};

/// Samples of one run; a node that is gone has none.
pub(super) async fn samples(agent: &GrpcAgent, run: &mut NodeRun) -> Result<(), Error> {
    if run.lost
        || matches!(
            run.plan.spec.role,
            continuum_workload_core::spec::Role::Sleep(_)
        )
    {
        return Ok(());
    }
    let bytes = agent.collect(&run.remote_id, "samples.csv").await?;
    let text = String::from_utf8_lossy(&bytes);
    for line in text.lines().skip(1) {
        match Sample::from_csv(line) {
            Some(sample) => run.samples.push(sample),
            None => run
                .problems
                .push(format!("a line of samples.csv is not understood: {line}")),
        }
    }
    Ok(())
}

type Stream = (
    String,
    mpsc::Receiver<MetricsBatch>,
    JoinHandle<Result<(), Error>>,
);

/// Everything the metric streams brought.
pub(super) async fn metrics(streams: Vec<Stream>) -> BTreeMap<String, MetricsBatch> {
    // One more second, so that the last sample of the run is in.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut all = BTreeMap::new();
    for (node, mut receiver, task) in streams {
        task.abort();
        let mut whole = MetricsBatch::default();
        while let Ok(batch) = receiver.try_recv() {
            whole.samples.extend(batch.samples);
            whole.events.extend(batch.events);
            whole.dropped += batch.dropped;
        }
        all.insert(node, whole);
    }
    all
}
