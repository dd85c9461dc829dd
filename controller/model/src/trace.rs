//! Links that change by themselves, as somebody recorded them.

use super::LinkSettings;
use serde::Serialize;
use std::sync::Arc;

/// What was recorded, from one end to the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    pub name: String,
    /// By time, from 0.
    #[serde(skip)]
    pub steps: Arc<Vec<TraceStep>>,
    /// When it begins again; `None` = its last numbers stay.
    pub loop_after_ms: Option<u32>,
    /// Where the link begins.
    pub begin_ms: u32,
}

impl Trace {
    /// Without what these settings give instead; `None` where nothing of it is left.
    pub fn without(self: Arc<Self>, settings: &LinkSettings) -> Option<Arc<Self>> {
        let keeps = |name: &str| !settings.has(name);
        let (rate, latency, loss) = (
            keeps("rate_mbit"),
            keeps("latency_ms"),
            keeps("loss_percent"),
        );
        if rate && latency && loss {
            return Some(self);
        }
        let step = |step: &TraceStep| TraceStep {
            rate_mbit: step.rate_mbit.filter(|_| rate),
            latency_ms: step.latency_ms.filter(|_| latency),
            loss_percent: step.loss_percent.filter(|_| loss),
            ..*step
        };
        let steps: Vec<TraceStep> = self.steps.iter().map(step).collect();
        let is_left = |step: &TraceStep| {
            step.rate_mbit.is_some() || step.latency_ms.is_some() || step.loss_percent.is_some()
        };
        steps.iter().any(is_left).then(|| {
            Arc::new(Self {
                name: self.name.clone(),
                steps: Arc::new(steps),
                ..*self
            })
        })
    }
}

/// From a moment on. What is not given is as the link has it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TraceStep {
    pub at_ms: u32,
    /// Of the link.
    pub rate_mbit: Option<f64>,
    /// Of the link.
    pub latency_ms: Option<f64>,
    /// Of the link.
    pub loss_percent: Option<f64>,
}

/// How a node followed a trace since it was started last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TraceProgress {
    /// Steps that the kernel has taken.
    pub steps: u64,
    /// From when they were due to when the kernel had them.
    pub late_mean_ms: f64,
    /// The latest of them.
    pub late_max_ms: f64,
    /// Refused, or passed over because the next was due.
    pub missed: u64,
}
