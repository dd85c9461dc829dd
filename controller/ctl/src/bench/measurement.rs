//! One run of an application, as it is about to begin.

use continuum_agents::RunStart;
use continuum_config::KubeDeployment;
use continuum_host::error::Error;
use continuum_model::{ClockOffset, ControllerClock, RunPlan};
use std::{collections::BTreeMap, time::Duration};

/// Agents end their runs when the controller is silent for so long.
const LEASE: Duration = Duration::from_secs(30);

/// One run of an application, as it is about to begin.
#[derive(Debug)]
pub(super) struct Measurement {
    /// Of no other one.
    pub(super) id: String,
    pub(super) runs: Vec<RunPlan>,
    /// What carries workers in a cluster, if its manager asks.
    pub(super) kube_deployment: Option<KubeDeployment>,
    /// Longest time that all of it may take.
    pub(super) deadline: Duration,
    pub(super) clock: ControllerClock,
    /// What clocks of nodes were ahead of it.
    pub(super) clocks: BTreeMap<String, ClockOffset>,
}

impl Measurement {
    /// What a node's clock was ahead.
    pub(super) fn offset(&self, node: &str) -> ClockOffset {
        self.clocks.get(node).copied().unwrap_or_default()
    }

    /// The id of a run, which is of no other one either.
    pub(super) fn remote_id(&self, run: &RunPlan) -> String {
        format!("{}-{}", self.id, run.id)
    }

    pub(super) fn start_of(&self, run: &RunPlan) -> Result<RunStart, Error> {
        let spec_json =
            serde_json::to_string(&run.spec).map_err(Error::encode(format!("run {}", run.id)))?;
        Ok(RunStart {
            id: self.remote_id(run),
            bench: self.id.clone(),
            spec_json,
            cpu_cores: run.cpu_cores,
            memory_bytes: run.memory_mib << 20,
            lease: LEASE,
            container: None,
        })
    }
}
