//! Samples and events with sequence numbers. Readers ask for what came after a number; what they missed is counted.

use crate::clock::now_unix_ns;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Ten minutes at one a second.
const SAMPLES_KEPT: usize = 600;
const EVENTS_KEPT: usize = 1000;

/// What the node measures of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// From 1.
    pub seq: u64,
    /// When.
    pub time_unix_ns: i64,
    /// All cores together, 0..100.
    pub cpu_percent: f64,
    /// In use.
    pub memory_used_bytes: u64,
    /// Of the machine.
    pub memory_total_bytes: u64,
    /// Since boot, all devices but loopback.
    pub network_received_bytes: u64,
    /// Likewise.
    pub network_sent_bytes: u64,
    /// Since boot.
    pub disk_read_bytes: u64,
    /// Since boot.
    pub disk_written_bytes: u64,
    /// Resident size of the agent.
    pub agent_rss_bytes: u64,
    /// Of the broker; 0 = none.
    pub broker_rss_bytes: u64,
    /// Of all workload processes.
    pub workload_rss_bytes: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// From 1.
    pub seq: u64,
    /// When.
    pub time_unix_ns: i64,
    /// `broker`, `workload`, `network`, …
    pub source: String,
    /// What.
    pub text: String,
}

/// What a reader gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// In order.
    pub samples: Vec<Sample>,
    /// Samples that were gone already.
    pub dropped: u64,
    /// In order.
    pub events: Vec<Event>,
}

#[derive(Debug, Default)]
struct Inner {
    samples: VecDeque<Sample>,
    events: VecDeque<Event>,
    next_sample: u64,
    next_event: u64,
}

/// The ring.
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
    pub fn push(&self, mut sample: Sample) {
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
    pub fn event(&self, source: &str, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{source}: {text}");
        let mut inner = self.lock();
        let event = Event {
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

    /// The newest sample.
    pub fn last(&self) -> Option<Sample> {
        self.lock().samples.back().cloned()
    }

    /// Everything after these numbers.
    pub fn after(&self, sample_seq: u64, event_seq: u64) -> Batch {
        let inner = self.lock();
        let oldest = inner.samples.front().map_or(inner.next_sample, |s| s.seq);
        Batch {
            samples: inner
                .samples
                .iter()
                .filter(|s| s.seq > sample_seq)
                .cloned()
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
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_get_what_is_new_and_hear_what_they_missed() {
        let ring = MetricsRing::default();
        assert_eq!(ring.after(0, 0), Batch::default());
        for _ in 0..SAMPLES_KEPT + 5 {
            ring.push(Sample::default());
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
