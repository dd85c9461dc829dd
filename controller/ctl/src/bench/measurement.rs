//! One run of an application, as it is about to begin.

use continuum_model::{ClockOffset, RunPlan};
use continuum_workload_core::clock::AnchoredClock;
use std::{collections::BTreeMap, time::Duration};

/// One run of an application, as it is about to begin.
#[derive(Debug)]
pub(super) struct Measurement {
    /// Of no other one.
    pub(super) id: String,
    /// What runs where.
    pub(super) runs: Vec<RunPlan>,
    /// Longest time that all of it may take.
    pub(super) deadline: Duration,
    /// Ours.
    pub(super) clock: AnchoredClock,
    /// What clocks of nodes were ahead of it.
    pub(super) clocks: BTreeMap<String, ClockOffset>,
}
