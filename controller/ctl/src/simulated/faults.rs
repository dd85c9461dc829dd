//! What can go wrong in the simulated world.

use std::time::Duration;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The machine is gone.
    Dead,
    /// The machine runs, and its agent answers nobody any more.
    Silent,
    /// Every answer takes so much longer.
    Late(Duration),
    /// The machine starts again: links, broker and runs are lost.
    Restarted,
    /// Nothing can be written any more.
    FullDisk,
    /// The clock jumps by so many nanoseconds.
    WrongClock(i64),
    /// So many of the samples that a run wrote are gone.
    LostSamples(usize),
    /// The application ends by itself.
    Crash,
    /// Packets are held up no longer.
    QdiscRemoved,
    /// The machine may use whole cores.
    QuotaLifted,
    /// Its disk is as fast as can be.
    DiskLifted,
}

impl Fault {
    /// Whether a run that is under way then can have no valid result.
    pub(super) fn invalidates_result(self) -> bool {
        !matches!(
            self,
            Self::Late(_) | Self::WrongClock(_) | Self::QuotaLifted | Self::DiskLifted
        )
    }

    /// Whether nothing that runs there goes on.
    pub(super) fn ends_runs(self) -> bool {
        matches!(self, Self::Dead | Self::Restarted | Self::Crash)
    }
}

/// A fault that is to come, or has come.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// Since the beginning of the world.
    pub(super) at: Duration,
    pub(super) node: String,
    pub(super) fault: Fault,
}
