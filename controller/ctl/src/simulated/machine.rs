//! A machine, and what of its agent is lost when it starts again.

use super::{faults::Fault, workload::Run};
use continuum_agents::{BrokerSpec, RunStart};
use continuum_model::{ClockOffset, ControllerTime, LinkClass, NodePlan, NodeTime};
use continuum_provider::MachineState;
use std::{collections::BTreeMap, time::Duration};

/// A clock that is right, as far as it can be told.
const EXACT: ClockOffset = ClockOffset {
    offset_ns: 0,
    error_ns: 200_000,
};

/// What an agent and its machine have until they start again.
#[derive(Debug, Default)]
pub(super) struct VolatileState {
    pub(super) links: Vec<LinkClass>,
    pub(super) broker: Option<BrokerSpec>,
    pub(super) runs: BTreeMap<String, Run>,
}

impl VolatileState {
    /// Whether an application runs.
    pub(super) fn is_under_way(&self) -> bool {
        self.runs.values().any(|run| run.ended.is_none())
    }
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is another thing that is wrong with it"
)]
pub(super) struct Machine {
    /// Of its deployment.
    pub(super) id: String,
    pub(super) deployment: String,
    pub(super) node: String,
    pub(super) state: MachineState,
    /// Counts its boots.
    pub(super) boot: u32,
    pub(super) volatile: VolatileState,
    pub(super) clock: ClockOffset,
    pub(super) is_silent: bool,
    pub(super) late: Duration,
    pub(super) is_disk_full: bool,
    /// As its provider made it.
    pub(super) made: NodePlan,
    /// Somebody took away what holds up its packets, its processor, its disk.
    pub(super) has_no_qdisc: bool,
    pub(super) is_quota_lifted: bool,
    pub(super) is_disk_lifted: bool,
}

impl Machine {
    /// A new one, as it boots.
    pub(super) fn new(id: String, deployment: String, made: NodePlan) -> Self {
        Self {
            id,
            deployment,
            node: made.name.clone(),
            state: MachineState::Running,
            boot: 1,
            volatile: VolatileState::default(),
            clock: EXACT,
            is_silent: false,
            late: Duration::ZERO,
            is_disk_full: false,
            made,
            has_no_qdisc: false,
            is_quota_lifted: false,
            is_disk_lifted: false,
        }
    }

    /// It starts again, with a clock that is right.
    pub(super) fn boot(&mut self) {
        self.boot += 1;
        self.state = MachineState::Running;
        self.volatile = VolatileState::default();
        self.clear_faults();
    }

    /// What is wrong with it is so no longer.
    pub(super) fn clear_faults(&mut self) {
        self.clock = EXACT;
        self.is_silent = false;
        self.late = Duration::ZERO;
        self.is_disk_full = false;
        self.has_no_qdisc = false;
        self.is_quota_lifted = false;
        self.is_disk_lifted = false;
    }

    /// Starts a run; those of other benches are ended first.
    pub(super) fn start(
        &mut self,
        run: RunStart,
        now: Duration,
        ours: ControllerTime,
    ) -> Result<(), String> {
        if self.is_disk_full {
            return Err("No space left on device".into());
        }
        let spec = serde_json::from_str(&run.spec_json).map_err(|e| e.to_string())?;
        let others = self.volatile.runs.values_mut();
        for other in others.filter(|r| r.start.bench != run.bench) {
            other.end(now, self.clock.to_node(ours), 0, "another bench began");
        }
        // Asked again, it is the same run.
        let id = run.id.clone();
        let started = self.volatile.runs.entry(id);
        started.or_insert_with(|| Run::new(run, spec, now, self.clock));
        Ok(())
    }

    /// At a time, since the beginning of the world and by its own clock.
    pub(super) fn inject(&mut self, fault: Fault, now: Duration, node_now: NodeTime) {
        match fault {
            Fault::Dead => {
                self.state = MachineState::Stopped;
                self.volatile = VolatileState::default();
            }
            Fault::Silent => self.is_silent = true,
            Fault::Late(by) => self.late = by,
            Fault::Restarted => self.boot(),
            Fault::FullDisk => {
                self.is_disk_full = true;
                self.lose(1);
            }
            Fault::QdiscRemoved => self.has_no_qdisc = true,
            Fault::QuotaLifted => self.is_quota_lifted = true,
            Fault::DiskLifted => self.is_disk_lifted = true,
            Fault::WrongClock(by_ns) => self.clock.offset_ns += by_ns,
            Fault::LostSamples(count) => self.lose(count),
            Fault::Crash => {
                for run in self.volatile.runs.values_mut() {
                    run.crash(now, node_now);
                }
            }
        }
    }

    /// What runs of now write last is gone.
    fn lose(&mut self, count: usize) {
        for run in self
            .volatile
            .runs
            .values_mut()
            .filter(|r| r.ended.is_none())
        {
            run.lost_lines += count;
        }
    }
}
