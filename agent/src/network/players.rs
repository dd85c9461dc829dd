//! Who follows the traces of links: each at its times, by a socket of its own.

use super::{kernel::Kernel, link::LinkClass, trace::Step};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::AbortHandle, time::Instant};

impl LinkClass {
    fn at(&self, step: Step) -> Self {
        // A cut link stays cut.
        let loss = step.loss_percent.filter(|_| self.loss_percent < 100.0);
        Self {
            rate_mbit: step.rate_mbit.unwrap_or(self.rate_mbit),
            latency_ms: step.latency_ms.unwrap_or(self.latency_ms),
            loss_percent: loss.unwrap_or(self.loss_percent),
            ..self.clone()
        }
    }
}

/// How a trace was followed since it was started last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Progress {
    pub steps: u64,
    late_ms: f64,
    pub late_max_ms: f64,
    /// Refused by the kernel, or passed over because the next was due.
    pub missed: u64,
}

impl Progress {
    fn add(&mut self, late: Duration) {
        let late_ms = late.as_secs_f64() * 1000.0;
        self.steps += 1;
        self.late_ms += late_ms;
        self.late_max_ms = self.late_max_ms.max(late_ms);
    }

    pub(crate) fn late_mean_ms(&self) -> f64 {
        self.late_ms / self.steps.max(1) as f64
    }
}

/// Traces that are being followed.
#[derive(Debug, Default)]
pub(super) struct Players {
    started: Option<Instant>,
    playing: Vec<Playing>,
}

#[derive(Debug)]
struct Playing {
    index: usize,
    progress: Arc<Mutex<Progress>>,
    task: AbortHandle,
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Players {
    /// Nothing changes any more by itself.
    pub(super) fn pause(&mut self) {
        self.playing.clear();
    }

    /// From where they begin.
    pub(super) fn start(&mut self, classes: &[LinkClass], address: IpAddr) -> u32 {
        self.started = None;
        self.resume(classes, address)
    }

    /// From where they are: other classes may have changed.
    pub(super) fn resume(&mut self, classes: &[LinkClass], address: IpAddr) -> u32 {
        self.pause();
        let started = *self.started.get_or_insert_with(Instant::now);
        for (index, class) in classes.iter().enumerate() {
            if class.trace.is_none() {
                continue;
            }
            let progress = Arc::new(Mutex::new(Progress::default()));
            let playing = play(
                address,
                index,
                class.clone(),
                started,
                Arc::clone(&progress),
            );
            self.playing.push(Playing {
                index,
                progress,
                task: tokio::spawn(playing).abort_handle(),
            });
        }
        self.playing.len() as u32
    }

    pub(super) fn progress(&self, index: usize) -> Option<Progress> {
        let playing = self.playing.iter().find(|p| p.index == index)?;
        Some(
            *playing
                .progress
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

async fn play(
    address: IpAddr,
    index: usize,
    class: LinkClass,
    started: Instant,
    progress: Arc<Mutex<Progress>>,
) {
    let note = |change: &dyn Fn(&mut Progress)| {
        change(&mut progress.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let kernel = match Kernel::open(address).await {
        Ok(kernel) => kernel,
        Err(error) => {
            tracing::error!("no trace is followed: {}", crate::error::chain(&error));
            note(&|progress| progress.missed += 1);
            return;
        }
    };
    let Some(trace) = &class.trace else { return };
    let mut steps = trace.schedule().peekable();
    while let Some((due, step)) = steps.next() {
        let next_is_due = |at: Duration| started + at <= Instant::now();
        if steps.peek().is_some_and(|(at, _)| next_is_due(*at)) {
            // Also those of before a change of other links, which are no fault.
            if started + due + Duration::from_secs(1) > Instant::now() {
                note(&|progress| progress.missed += 1);
            }
            continue;
        }
        tokio::time::sleep_until(started + due).await;
        match kernel.step(index, (&class, &class.at(step))).await {
            Ok(()) => note(&|progress| progress.add(started.elapsed().saturating_sub(due))),
            Err(error) => {
                tracing::error!(
                    "a step of trace {} was refused: {}",
                    trace.name,
                    crate::error::chain(&error)
                );
                note(&|progress| progress.missed += 1);
            }
        }
    }
}
