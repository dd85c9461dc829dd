//! A run before the run, so that nothing is read from a disk for the first time while it is measured.

use super::{
    placement::{RunPlacement, Session},
    watch::{start, stop, wait_ended, wait_ready},
};
use continuum_host::error::Error;
use continuum_model::{ClockOffset, Phase};
use continuum_workload_core::clock::AnchoredClock;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Each worker's application once, unmeasured: afterwards its files are in memory.
pub(super) async fn warm_up(
    session: &Session<'_>,
    placement: &RunPlacement,
    bench_id: &str,
    clock: &AnchoredClock,
    clocks: &BTreeMap<String, ClockOffset>,
    deadline: Duration,
) -> Result<(), Error> {
    let workers = session.runs.iter().filter(|r| r.phase == Phase::Worker);
    let mut seen = BTreeSet::new();
    let mut started = Vec::new();
    let run = async {
        for run in workers.filter(|r| seen.insert(r.node.clone())) {
            let runner = placement.of(run, session.agents)?;
            let mut warm = run.clone();
            warm.id.push_str("-warm");
            started.push(start(runner, &warm, bench_id, clock).await?);
        }
        wait_ready(&mut started, session.context, clock, clocks).await?;
        let (context, deployment) = (session.context, session.deployment);
        wait_ended(context, deployment, &mut started, deadline).await
    };
    let ends = run.await;
    // After a failure all of them, and services always: nobody else ends them, and they hold ports.
    let open = started.iter_mut().filter(|one| one.run.exit.is_none());
    futures_util::future::join_all(open.map(stop)).await;
    for one in started {
        one.watcher.abort();
    }
    ends
}
