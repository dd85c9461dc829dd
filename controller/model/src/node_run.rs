//! One run on one node, with everything that came of it.

use super::{ControllerTime, NodeTime, PodRecord, RunPlan};
use continuum_workload_core::{call::Call, event::Summary, photo_sample::Sample};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, Serialize)]
pub struct StartedRun {
    pub limits_enforced: bool,
    /// As read back.
    pub cpu_max: String,
    /// As read back.
    pub memory_max: String,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunExit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Why the agent ended it.
    pub reason: String,
    /// Killed for memory.
    pub oom_kills: u64,
    pub cpu_us: u64,
    pub memory_peak_bytes: u64,
}

/// One run with everything that came of it.
#[derive(Debug, Clone)]
pub struct NodeRun {
    /// As planned.
    pub plan: RunPlan,
    /// Its id at the agent.
    pub remote_id: String,
    /// When it was asked for.
    pub asked_unix_ns: ControllerTime,
    /// Limits as read back.
    pub started: StartedRun,
    /// When it was ready.
    pub ready_unix_ns: Option<NodeTime>,
    /// When it ended.
    pub ended_unix_ns: Option<NodeTime>,
    /// What it said when it was ready.
    pub detail: String,
    /// Done, and to do.
    pub progress: (u64, Option<u64>),
    /// Its own counts.
    pub summary: Option<Summary>,
    /// How it ended.
    pub exit: Option<RunExit>,
    /// The node went away.
    pub lost: bool,
    /// Inputs it could not use, lines not understood.
    pub problems: Vec<String>,
    pub log: Vec<String>,
    /// Raw data.
    pub samples: Vec<Sample>,
    pub calls: Vec<Call>,
    /// The pod it ran in, if it did.
    pub pod: Option<PodRecord>,
    /// What it measured by itself, by name.
    pub metrics: BTreeMap<String, Vec<f64>>,
    /// It served others and was ended when they were done.
    pub was_dismissed: bool,
    /// Lines of it that were lost on the way.
    pub missed: u64,
}

impl NodeRun {
    /// Just started.
    pub fn new(
        plan: RunPlan,
        remote_id: String,
        asked_unix_ns: ControllerTime,
        started: StartedRun,
    ) -> Self {
        Self {
            plan,
            remote_id,
            asked_unix_ns,
            started,
            ready_unix_ns: None,
            ended_unix_ns: None,
            detail: String::new(),
            progress: (0, None),
            summary: None,
            exit: None,
            lost: false,
            problems: Vec::new(),
            log: Vec::new(),
            samples: Vec::new(),
            calls: Vec::new(),
            pod: None,
            metrics: BTreeMap::new(),
            was_dismissed: false,
            missed: 0,
        }
    }

    /// Why what it said must not be used; `None` = all of it came.
    pub fn gap(&self) -> Option<String> {
        (self.missed > 0).then(|| {
            format!(
                "run {}: {} of its lines are lost: it printed more than its agent keeps until they are fetched",
                self.plan.id, self.missed
            )
        })
    }

    /// One more value of what it measures by itself.
    pub fn measured(&mut self, metric: String, value: f64) {
        self.metrics.entry(metric).or_default().push(value);
    }

    /// Ended well, with its counts.
    pub fn is_complete(&self) -> bool {
        if self.was_dismissed {
            return !self.lost;
        }
        // A container of the user's own has no counts for us.
        let has_counts = self.summary.is_some() || self.plan.own.is_some();
        has_counts && self.exit.as_ref().is_some_and(|e| e.code == Some(0))
    }

    /// In words.
    pub fn how_ended(&self) -> String {
        if self.lost {
            return "its node was lost".into();
        }
        let Some(exit) = &self.exit else {
            return "it had not ended".into();
        };
        let mut text = match (exit.code, exit.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "it ended".into(),
        };
        if exit.oom_kills > 0 {
            text.push_str(", it needed more memory than it was given");
        }
        if !exit.reason.is_empty() {
            text.push_str(", ");
            text.push_str(&exit.reason);
        }
        if exit.code != Some(0) {
            let tail = self
                .log
                .iter()
                .rev()
                .take(3)
                .rev()
                .cloned()
                .collect::<Vec<_>>()
                .join(" | ");
            if !tail.is_empty() {
                text.push_str("; it said: ");
                text.push_str(&tail);
            }
        }
        text
    }
}
