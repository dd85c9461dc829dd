//! The loop that every role is in: whatever it waits for, it takes meanwhile what comes, looks at the clock, says how far
//! it is, and ends when it is asked to.

use crate::pacing::{Pace, SLIP};
use continuum_workload_core::{
    application::{RunContext, RunError},
    event::{Event, Summary},
    spec::Load,
};
use std::time::Duration;
use tokio::{sync::mpsc, time::Instant};

pub(crate) const TICK: Duration = Duration::from_millis(200);
/// A tick that comes so much too late is time in which the whole process stood still.
const STALL: Duration = Duration::from_secs(1);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at what nobody tells of.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// What a role does in the loop.
pub(crate) trait Role {
    /// What comes.
    type Heard;

    fn take(&mut self, heard: Self::Heard);

    fn tick(&mut self) {}

    fn summary(&mut self) -> &mut Summary;

    /// How much is done, and of how much.
    fn progress(&self) -> (u64, Option<u64>);

    /// Returns when there is something to do besides.
    fn has_more(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    fn more(&mut self) -> impl Future<Output = Result<(), RunError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// A role that makes photos, each when it is due.
pub(crate) trait Source: Role + Sized {
    /// Sends one; returns when there was room for it, if there was none at first.
    fn send(
        rounds: &mut Rounds<'_, Self>,
        id: u64,
        due: Instant,
    ) -> impl Future<Output = Result<Option<Instant>, RunError>> + Send;

    /// Whether an answer may still come.
    fn is_open(&self) -> bool;

    /// When something last was under way or came.
    fn last_sign(&self) -> Option<Instant>;
}

pub(crate) struct Rounds<'a, R: Role> {
    pub(crate) role: R,
    context: &'a RunContext<'a>,
    heard: mpsc::UnboundedReceiver<R::Heard>,
    next_tick: Instant,
    last_report: Instant,
}

impl<'a, R: Role> Rounds<'a, R> {
    pub(crate) fn new(
        context: &'a RunContext<'a>,
        heard: mpsc::UnboundedReceiver<R::Heard>,
        role: R,
    ) -> Self {
        Self {
            role,
            context,
            heard,
            next_tick: Instant::now() + TICK,
            last_report: Instant::now(),
        }
    }

    /// Waits for something and does meanwhile what is to be done; ends early only when the run is to end.
    pub(crate) async fn until<T>(&mut self, what: impl Future<Output = T>) -> Result<T, RunError> {
        tokio::pin!(what);
        loop {
            tokio::select! {
                biased;
                () = self.context.stop.requested() => return Err(RunError::Stopped),
                Some(heard) = self.heard.recv() => self.role.take(heard),
                done = &mut what => return Ok(done),
                () = self.role.has_more() => self.role.more().await?,
                () = tokio::time::sleep_until(self.next_tick) => self.tick(),
            }
        }
    }

    /// Nothing came that was not taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.heard.is_empty()
    }

    fn tick(&mut self) {
        let late = self.next_tick.elapsed();
        if late >= STALL {
            let summary = self.role.summary();
            summary.stalls += 1;
            summary.stalled_ms += late.as_millis() as u64;
            tracing::warn!("this process stood still for {:.1} s", late.as_secs_f64());
        }
        self.role.tick();
        if self.last_report.elapsed() >= REPORT_EVERY {
            self.last_report = Instant::now();
            let (done, total) = self.role.progress();
            self.context.events.send(&Event::Progress { done, total });
        }
        self.next_tick = Instant::now() + TICK;
    }
}

impl<R: Source> Rounds<'_, R> {
    /// All photos, each when it is due, and then until every one has its answer or nothing more is to be expected.
    pub(crate) async fn send_all(&mut self, load: Load) -> Result<(), RunError> {
        let pace = Pace::new(Instant::now() + Duration::from_millis(100), load);
        // Until when the connection took nothing more.
        let mut waited_until = None;
        for id in 0..load.count() {
            let due = pace.due(id);
            self.until(tokio::time::sleep_until(due)).await?;
            if due.elapsed() > SLIP {
                let summary = self.role.summary();
                summary.slips += 1;
                summary.slips_waiting += u64::from(waited_until.is_some_and(|at| at > due));
            }
            waited_until = R::send(self, id, due).await?.or(waited_until);
        }
        while self.role.is_open() && Instant::now() < pace.deadline(self.role.last_sign()) {
            self.until(tokio::time::sleep(LOOK)).await?;
        }
        Ok(())
    }
}
