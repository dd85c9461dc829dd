//! How a run goes, in a file beside the state of its deployment: `dashboard` and `status` read it without a lock.

use super::measurement::Measurement;
use crate::{report::ControllerEvent, session::Session};
use continuum_common::files::replace_unsynced;
use continuum_config::Benchmark;
use continuum_host::{error::Error, progress::Progress, state::Deployment};
use continuum_model::{
    ControllerTime, LiveEndpoint, LiveRun, Phase, Report, RunPlan, TimelineMark,
};
use rustix::process::{Pid, test_kill_process};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

const PERIOD: Duration = Duration::from_secs(1);

fn path(deployment: &Deployment) -> PathBuf {
    deployment.dir().join("run.json")
}

/// The run that goes on, or the last one; `None` = this deployment had none.
pub fn live_run(deployment: &Deployment) -> Result<Option<LiveRun>, Error> {
    let path = path(deployment);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let mut run: LiveRun = serde_json::from_slice(&text).map_err(Error::damaged(path))?;
    if run.stage.is_some() && !is_alive(run.pid) {
        run.stage = None;
        run.validity = Some("invalid".into());
        run.reasons = vec!["the command that ran it was killed".into()];
    }
    Ok(Some(run))
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Writes it, once a second and at its end. That it cannot be written stops nothing: nobody who measures reads it.
#[derive(Debug)]
pub(super) struct LiveRunFile {
    path: PathBuf,
    progress: Arc<Progress>,
    run: Mutex<LiveRun>,
}

/// Ends the writing of a run that ended without a word.
#[derive(Debug)]
pub(super) struct Writer(JoinHandle<()>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl LiveRunFile {
    pub(super) fn begin(
        session: &Session,
        benchmark: &Benchmark,
        now: ControllerTime,
    ) -> (Arc<Self>, Writer) {
        let file = Arc::new(Self {
            path: path(&session.deployment),
            progress: Arc::clone(&session.context.progress),
            run: Mutex::new(LiveRun {
                pid: std::process::id(),
                application: benchmark.kind().to_string(),
                begun_unix_ns: now,
                load_s: Some(benchmark.duration_s),
                ..LiveRun::default()
            }),
        });
        let own = Arc::clone(&file);
        let writer = tokio::spawn(async move {
            let mut tick = tokio::time::interval(PERIOD);
            loop {
                tick.tick().await;
                own.write();
            }
        });
        (file, Writer(writer))
    }

    fn lock(&self) -> MutexGuard<'_, LiveRun> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load_began(&self, at: ControllerTime, measurement: &Measurement) {
        let mut run = self.lock();
        run.load_unix_ns = Some(at);
        run.endpoints = endpoints(measurement);
    }

    pub(super) fn mark(&self, event: &ControllerEvent) {
        self.lock().marks.push(TimelineMark {
            time_unix_ns: event.time_unix_ns,
            text: event.text.clone(),
        });
    }

    /// With what became of it.
    pub(super) fn end(&self, ended: Result<&Report, String>) {
        let mut run = self.lock();
        let (validity, reasons) = match ended {
            Ok(report) => (report.validity.name(), report.invalid.clone()),
            Err(why) => ("invalid", vec![why]),
        };
        run.validity = Some(validity.to_owned());
        run.reasons = reasons;
        drop(run);
        self.write();
    }

    fn write(&self) {
        let state = self.progress.state();
        let mut run = self.lock();
        let seconds = state.stages.into_iter().map(|s| (s.stage, s.seconds));
        run.stages = seconds.collect();
        (run.done, run.total) = state.answered;
        run.stage = match run.validity {
            Some(_) => None,
            None => Some(state.stage.unwrap_or_else(|| "between two stages".into())),
        };
        let text = serde_json::to_vec(&*run).unwrap_or_default();
        drop(run);
        if let Err(error) = replace_unsynced(&self.path, &text) {
            tracing::debug!("write {}: {error}", self.path.display());
        }
    }
}

/// Those that write their samples as they come; callers of functions do so at their end.
fn endpoints(measurement: &Measurement) -> Vec<LiveEndpoint> {
    let of = |phase| measurement.runs.iter().filter(move |r| r.phase == phase);
    let writes = |run: &&RunPlan| {
        let role = &run.spec.role;
        role.leaves_samples() && !role.leaves_calls()
    };
    let endpoint = |run: &RunPlan| {
        let worker = run.connected_to.and_then(|i| of(Phase::Worker).nth(i));
        LiveEndpoint {
            node: run.node.clone(),
            run: measurement.remote_id(run),
            worker: worker.map(|worker| worker.node.clone()),
        }
    };
    of(Phase::Endpoint).filter(writes).map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_command_is_gone_has_ended() {
        assert!(is_alive(std::process::id()));
        // Above the largest that Linux gives.
        assert!(!is_alive(5_000_000));
        assert!(!is_alive(0));
    }
}
