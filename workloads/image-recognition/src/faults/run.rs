//! A worker and its endpoints while they run, and what came of it.

use super::must;
use continuum_workload_core::{
    application::RunError,
    event::{Event, Summary},
    photo_sample::{Loss, Sample},
};
use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

/// Events as they are said.
pub(super) struct Lines(pub(super) watch::Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|all| all.extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) struct RoleRun {
    pub(super) out: PathBuf,
    pub(super) said: watch::Receiver<Vec<u8>>,
    pub(super) task: JoinHandle<Result<(), RunError>>,
}

fn events(said: &[u8]) -> Vec<Event> {
    let lines = said.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines
        .map(|line| must("read an event", serde_json::from_slice(line)))
        .collect()
}

impl RoleRun {
    pub(super) async fn ready(&mut self) {
        let is_ready = |said: &Vec<u8>| {
            events(said)
                .iter()
                .any(|e| matches!(e, Event::Ready { .. }))
        };
        let ready = self.said.wait_for(is_ready);
        let in_time = tokio::time::timeout(Duration::from_secs(20), ready).await;
        must("be ready", must("be ready in time", in_time));
    }

    fn summary(&self) -> Summary {
        let said = self.said.borrow().clone();
        let finished = events(&said).into_iter().find_map(|e| match e {
            Event::Finished(summary) => Some(summary),
            _ => None,
        });
        must("say its counts", finished.ok_or("no run ends without"))
    }

    fn samples(&self) -> Vec<Sample> {
        samples(&self.out)
    }
}

fn samples(out: &Path) -> Vec<Sample> {
    let text = must(
        "read samples.csv",
        std::fs::read_to_string(out.join("samples.csv")),
    );
    let (samples, bad) = Sample::read(&text);
    assert!(bad.is_empty(), "{bad:?}");
    samples
}

pub(super) struct Run {
    pub(super) ask: watch::Sender<bool>,
    pub(super) roles: Vec<RoleRun>,
    pub(super) asked: u64,
}

impl Run {
    pub(super) fn stop(&self) {
        self.ask.send_replace(true);
    }

    /// Waits for all of it, within a time.
    pub(super) async fn ended(mut self, within: Duration) -> Outcome {
        let is_stopped = *self.ask.borrow();
        let begun = std::time::Instant::now();
        let mut outcome = Outcome {
            asked: self.asked,
            ..Outcome::default()
        };
        for (index, role) in self.roles.iter_mut().enumerate() {
            let left = within.saturating_sub(begun.elapsed());
            let ended = tokio::time::timeout(left, &mut role.task).await;
            let said = || String::from_utf8_lossy(&role.said.borrow()).into_owned();
            let Ok(ended) = ended else {
                panic!(
                    "{} still runs after {within:?}: {}",
                    role.out.display(),
                    said()
                );
            };
            let result = must("end without a panic", ended);
            assert!(
                result.is_ok() || (is_stopped && matches!(result, Err(RunError::Stopped))),
                "{}: {result:?}",
                role.out.display()
            );
            let (summary, samples) = (role.summary(), role.samples());
            assert_eq!(summary.sent, samples.len() as u64, "counts and samples");
            outcome.reconnects += summary.reconnects;
            if index == 0 {
                outcome.classified_at_worker = summary.sent;
                continue;
            }
            outcome.sent += summary.sent;
            outcome.answered += summary.answered;
            outcome.late += summary.late;
            outcome.resent += summary.resent;
            outcome.waits += summary.waits;
            outcome.slips_waiting += summary.slips_waiting;
            for sample in samples {
                assert_eq!(sample.is_answered(), sample.lost.is_none(), "{sample:?}");
                if let Some(lost) = sample.lost {
                    *outcome.lost.entry(lost).or_default() += 1;
                }
            }
        }
        outcome
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) asked: u64,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) late: u64,
    pub(super) resent: u64,
    pub(super) waits: u64,
    pub(super) slips_waiting: u64,
    pub(super) reconnects: u64,
    pub(super) classified_at_worker: u64,
    pub(super) lost: BTreeMap<Loss, u64>,
    skipped: Option<&'static str>,
}

impl Outcome {
    pub(super) fn skipped(why: &'static str) -> Self {
        Self {
            skipped: Some(why),
            ..Self::default()
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = self.skipped {
            return write!(f, "skipped: {why}");
        }
        write!(
            f,
            "sent {} of {}, answered {}, late {}, resent {}, reconnects {}, waits {}, lost",
            self.sent,
            self.asked,
            self.answered,
            self.late,
            self.resent,
            self.reconnects,
            self.waits
        )?;
        if self.lost.is_empty() {
            return f.write_str(" 0");
        }
        for (lost, count) in &self.lost {
            write!(f, " {} {count}", lost.name())?;
        }
        Ok(())
    }
}
