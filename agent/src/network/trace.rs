//! Links that change by themselves, as they were recorded.

use super::bounds::{LATENCY_MS, PERCENT, RATE_MBIT};
use crate::error::AgentError;
use serde::{Deserialize, Serialize};
use std::{ops::RangeInclusive, time::Duration};

/// More are no trace of a link.
const MOST_STEPS: usize = 200_000;

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trace {
    pub name: String,
    /// By time, from 0.
    pub steps: Vec<Step>,
    /// When it begins again; 0 = its last numbers stay.
    pub loop_after_ms: u32,
    /// Where the link begins.
    pub begin_ms: u32,
}

/// What is not given is as the class has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub at_ms: u32,
    pub rate_mbit: Option<f64>,
    pub latency_ms: Option<f64>,
    pub loss_percent: Option<f64>,
}

impl Trace {
    pub(super) fn check(&self) -> Result<(), AgentError> {
        let wrong = |why: &str| {
            let name = self.name.escape_debug();
            Err(AgentError::Invalid(format!("trace `{name}`: {why}")))
        };
        let last = match self.steps.as_slice() {
            [first, .., last] | [first @ last] if first.at_ms == 0 => last.at_ms,
            _ => return wrong("it has no step at 0 ms"),
        };
        if self.steps.len() > MOST_STEPS {
            return wrong("it has too many steps");
        }
        if self
            .steps
            .windows(2)
            .any(|w| matches!(w, [a, b] if a.at_ms >= b.at_ms))
        {
            return wrong("its times do not increase");
        }
        if self.loop_after_ms > 0 && self.loop_after_ms <= last {
            return wrong("it begins again before its last step");
        }
        let in_range = |value: Option<f64>, allowed: &RangeInclusive<f64>| {
            value.is_none_or(|value| allowed.contains(&value))
        };
        let is_right = |step: &Step| {
            in_range(step.rate_mbit, &RATE_MBIT)
                && in_range(step.latency_ms, &LATENCY_MS)
                && in_range(step.loss_percent, &PERCENT)
        };
        if !self.steps.iter().all(is_right) {
            return wrong("one of its numbers is out of range");
        }
        Ok(())
    }

    /// Steps from where the link begins, for ever or to the end, each with the time since the start. The first is due at
    /// once.
    pub(super) fn schedule(&self) -> impl Iterator<Item = (Duration, Step)> {
        let (begin, length) = (u64::from(self.begin_ms), u64::from(self.loop_after_ms));
        let rounds = if length == 0 { 1 } else { u64::MAX };
        // The one that holds at the beginning, then those behind it.
        let first = self.steps.partition_point(|s| s.at_ms <= self.begin_ms);
        let later = (0..rounds).flat_map(move |round| {
            let skipped = if round == 0 { first } else { 0 };
            let steps = self.steps.iter().skip(skipped);
            steps.map(move |step| (round * length + u64::from(step.at_ms) - begin, *step))
        });
        let now = self.steps.get(first.saturating_sub(1));
        let all = now.map(|step| (0, *step)).into_iter().chain(later);
        all.map(|(ms, step)| (Duration::from_millis(ms), step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at_ms: u32, rate_mbit: f64) -> Step {
        Step {
            at_ms,
            rate_mbit: Some(rate_mbit),
            latency_ms: None,
            loss_percent: None,
        }
    }

    fn trace(loop_after_ms: u32, begin_ms: u32) -> Trace {
        Trace {
            name: "t".into(),
            steps: vec![step(0, 1.0), step(100, 2.0), step(250, 3.0)],
            loop_after_ms,
            begin_ms,
        }
    }

    fn times(trace: &Trace, count: usize) -> Vec<(u128, f64)> {
        let steps = trace.schedule().take(count);
        steps
            .map(|(at, step)| (at.as_millis(), step.rate_mbit.unwrap()))
            .collect()
    }

    #[test]
    fn a_trace_begins_again_or_stays_at_its_last_numbers() {
        assert_eq!(
            times(&trace(300, 0), 6),
            [
                (0, 1.0),
                (100, 2.0),
                (250, 3.0),
                (300, 1.0),
                (400, 2.0),
                (550, 3.0)
            ]
        );
        assert_eq!(times(&trace(0, 0), 6).len(), 3);
    }

    #[test]
    fn a_link_begins_with_what_the_trace_has_there() {
        assert_eq!(
            times(&trace(300, 120), 4),
            [(0, 2.0), (130, 3.0), (180, 1.0), (280, 2.0)]
        );
        assert_eq!(times(&trace(300, 250), 2), [(0, 3.0), (50, 1.0)]);
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        assert!(trace(300, 0).check().is_ok());
        assert!(trace(250, 0).check().is_err());
        let with = |steps| Trace {
            steps,
            ..trace(0, 0)
        };
        for steps in [
            vec![],
            vec![step(1, 1.0)],
            vec![step(0, 1.0), step(0, 1.0)],
            vec![step(0, 0.0)],
            vec![step(0, f64::NAN)],
        ] {
            assert!(with(steps.clone()).check().is_err(), "{steps:?}");
        }
    }
}
