//! Samples and events with sequence numbers. Readers ask for what came after a number; what they missed is counted.

use crate::clock::now_unix_ns;
use continuum_proto::{MetricsBatch, MetricsSample, NodeEvent};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Ten minutes at one a second.
const SAMPLES_KEPT: usize = 600;
const EVENTS_KEPT: usize = 1000;

#[derive(Debug, Default)]
struct Inner {
    samples: VecDeque<MetricsSample>,
    events: VecDeque<NodeEvent>,
    next_sample: u64,
    next_event: u64,
}

#[derive(Debug)]
pub struct MetricsRing {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Default for MetricsRing {
    fn default() -> Self {
        let inner = Inner {
            next_sample: 1,
            next_event: 1,
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
            changed: watch::channel(0).0,
        }
    }
}

impl MetricsRing {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a sample; its number is given here.
    pub(crate) fn push(&self, mut sample: MetricsSample) {
        let mut inner = self.lock();
        sample.seq = inner.next_sample;
        inner.next_sample += 1;
        if inner.samples.len() >= SAMPLES_KEPT {
            inner.samples.pop_front();
        }
        inner.samples.push_back(sample);
        drop(inner);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Adds an event and logs it.
    pub(crate) fn event(&self, source: &str, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{source}: {text}");
        let mut inner = self.lock();
        let event = NodeEvent {
            seq: inner.next_event,
            time_unix_ns: now_unix_ns(),
            source: source.into(),
            text,
        };
        inner.next_event += 1;
        if inner.events.len() >= EVENTS_KEPT {
            inner.events.pop_front();
        }
        inner.events.push_back(event);
        drop(inner);
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn last(&self) -> Option<MetricsSample> {
        self.lock().samples.back().copied()
    }

    /// Everything after these numbers.
    pub(crate) fn after(&self, sample_seq: u64, event_seq: u64) -> MetricsBatch {
        let inner = self.lock();
        let oldest = inner.samples.front().map_or(inner.next_sample, |s| s.seq);
        MetricsBatch {
            samples: inner
                .samples
                .iter()
                .filter(|s| s.seq > sample_seq)
                .copied()
                .collect(),
            dropped: oldest.saturating_sub(sample_seq.saturating_add(1)),
            events: inner
                .events
                .iter()
                .filter(|e| e.seq > event_seq)
                .cloned()
                .collect(),
        }
    }

    /// Changes whenever something was added.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_get_what_is_new_and_hear_what_they_missed() {
        let ring = MetricsRing::default();
        assert_eq!(ring.after(0, 0), MetricsBatch::default());
        for _ in 0..SAMPLES_KEPT + 5 {
            ring.push(MetricsSample::default());
        }
        ring.event("broker", "started");
        let batch = ring.after(0, 0);
        assert_eq!(
            (batch.samples.len(), batch.dropped, batch.events.len()),
            (SAMPLES_KEPT, 5, 1)
        );
        let batch = ring.after(603, 1);
        assert_eq!(
            batch.samples.iter().map(|s| s.seq).collect::<Vec<_>>(),
            [604, 605]
        );
        assert_eq!((batch.dropped, batch.events.len()), (0, 0));
    }
}
