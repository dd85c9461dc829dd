//! Clocks of nodes while a run is under way: each is looked at every few seconds, so that one that is set meanwhile is known.

use super::STOP_DEADLINE;
use crate::session::Session;
use continuum_agents::Agent;
use continuum_model::{ClockLook, ClockOffset, ClockTrack, ControllerClock};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_secs(5);

/// Looks of all nodes, by name.
type Looks = BTreeMap<String, Vec<ClockLook>>;

/// Who looks.
pub(super) struct ClockWatch {
    clock: ControllerClock,
    looks: Arc<Mutex<Looks>>,
    readers: Vec<JoinHandle<()>>,
}

impl ClockWatch {
    /// Goes on from the looks before the run.
    pub(super) fn start(
        session: &Session,
        clock: ControllerClock,
        before: &BTreeMap<String, ClockOffset>,
    ) -> Self {
        let at_unix_ns = clock.now();
        let first = |(node, offset): (&String, &ClockOffset)| {
            let offset = *offset;
            (node.clone(), vec![ClockLook { at_unix_ns, offset }])
        };
        let looks: Arc<Mutex<Looks>> = Arc::new(Mutex::new(before.iter().map(first).collect()));
        let readers = session.agents().iter().map(|agent| {
            let (agent, looks) = (Arc::clone(agent), Arc::clone(&looks));
            tokio::spawn(async move { watch(&*agent, clock, &looks).await })
        });
        Self {
            clock,
            readers: readers.collect(),
            looks,
        }
    }

    /// Ends with the looks after the run, of the nodes that answered.
    pub(super) fn finish(
        self,
        after: &BTreeMap<String, ClockOffset>,
    ) -> BTreeMap<String, ClockTrack> {
        for reader in &self.readers {
            reader.abort();
        }
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let at_unix_ns = self.clock.now();
        for (node, offset) in after {
            let offset = *offset;
            let of_node = looks.entry(node.clone()).or_default();
            of_node.push(ClockLook { at_unix_ns, offset });
        }
        let track =
            |(node, looks): (&String, &Vec<ClockLook>)| (node.clone(), ClockTrack::of(looks));
        looks.iter().map(track).collect()
    }
}

/// A node that does not answer is looked at again later.
async fn watch(agent: &dyn Agent, clock: ControllerClock, looks: &Mutex<Looks>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let offset = tokio::time::timeout(STOP_DEADLINE, agent.clock_offset()).await;
        if let Ok(Ok(offset)) = offset {
            let at_unix_ns = clock.now();
            let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
            let of_node = looks.entry(agent.node().to_owned()).or_default();
            of_node.push(ClockLook { at_unix_ns, offset });
        }
    }
}

/// Clocks that were set while a run was under way.
pub(super) fn clock_notes(tracks: &BTreeMap<String, ClockTrack>) -> Vec<String> {
    let of_node = |(node, track): (&String, &ClockTrack)| {
        let steps: Vec<String> = track
            .steps
            .iter()
            .map(|step| format!("{:+.3} s", step.by_ns as f64 / 1e9))
            .collect();
        (!steps.is_empty()).then(|| {
            format!(
                "the clock of {node} was set by {} during the run: programs that ran already go on by the old time, \
                 metrics, events and logs do not",
                steps.join(", ")
            )
        })
    };
    tracks.iter().filter_map(of_node).collect()
}
