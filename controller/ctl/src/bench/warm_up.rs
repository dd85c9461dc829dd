//! A run before the run, so that nothing is read from a disk for the first time while it is measured.

use super::{
    load::Load,
    measurement::Measurement,
    placement::RunPlacement,
    run_watch::{start, stop, wait_ended, wait_ready},
};
use crate::session::Session;
use continuum_host::error::Error;
use continuum_model::Phase;
use std::collections::BTreeSet;

/// Each worker's application once, unmeasured: afterwards its files are in memory.
pub(super) async fn warm_up(
    session: &Session,
    measurement: &Measurement,
    placement: &RunPlacement,
) -> Result<(), Error> {
    let workers = measurement.runs.iter().filter(|r| r.phase == Phase::Worker);
    let mut seen = BTreeSet::new();
    let mut started = Vec::new();
    let run = async {
        for run in workers.filter(|r| seen.insert(r.node.clone())) {
            let runner = placement.alone(run, session)?;
            let mut warm = run.clone();
            warm.id.push_str("-warm");
            started.push(start(runner, &warm, measurement).await?);
        }
        wait_ready(session, measurement, &mut started).await?;
        wait_ended(session, &mut started, measurement.deadline, Load::NONE).await
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
