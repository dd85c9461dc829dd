//! Ten minutes of every node, by the controller's clock.

use continuum_model::{ClockOffset, MetricsBatch, MetricsSample, NodeEvent, NodeTime};
use serde::Serialize;
use std::collections::VecDeque;

/// Ten minutes at one a second: as many as agents keep.
const SAMPLES_KEPT: usize = 600;
const EVENTS_KEPT: usize = 100;

/// One sample, in the order of its fields: a page with 200 nodes is given 120,000 of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Point(
    /// Milliseconds since 1970 by the controller's clock.
    pub(crate) i64,
    /// Of all cores together, 0 to 100.
    pub(crate) f32,
    /// Memory in use, bytes.
    pub(crate) u64,
    /// Received since boot, bytes.
    pub(crate) u64,
    /// Sent since boot, bytes.
    pub(crate) u64,
    /// Read from disks since boot, bytes.
    pub(crate) u64,
    /// Written to disks since boot, bytes.
    pub(crate) u64,
    /// Memory of agent, broker, workloads, and of the node, bytes.
    pub(crate) [u64; 4],
);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventLine {
    pub(crate) time_unix_ms: i64,
    pub(crate) source: String,
    pub(crate) text: String,
}

/// What is known of one node.
#[derive(Debug, Default)]
pub(crate) struct NodeHistory {
    pub(crate) points: VecDeque<Point>,
    pub(crate) events: VecDeque<EventLine>,
    /// As last seen, for who wants all of it.
    pub(crate) last: Option<MetricsSample>,
    pub(crate) clock: Option<ClockOffset>,
    /// Why its agent is not heard; `None` = it is.
    pub(crate) silent: Option<String>,
}

impl NodeHistory {
    /// Takes in what is newer than what is there: an agent that is asked again begins with all that it keeps.
    pub(crate) fn take(&mut self, batch: MetricsBatch) {
        let clock = self.clock.unwrap_or_default();
        let at_ms = |at: NodeTime| clock.to_controller(at).unix_ns() / 1_000_000;
        let newest = self.last.as_ref().map(|s| s.time_unix_ns);
        for sample in batch.samples {
            if newest.is_some_and(|newest| sample.time_unix_ns <= newest) {
                continue;
            }
            push(&mut self.points, SAMPLES_KEPT, point(&sample, &at_ms));
            self.last = Some(sample);
        }
        let newest = self.events.back().map_or(i64::MIN, |e| e.time_unix_ms);
        for NodeEvent {
            time_unix_ns,
            source,
            text,
        } in batch.events
        {
            let time_unix_ms = at_ms(time_unix_ns);
            if time_unix_ms > newest {
                let line = EventLine {
                    time_unix_ms,
                    source,
                    text,
                };
                push(&mut self.events, EVENTS_KEPT, line);
            }
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, kept: usize, one: T) {
    if queue.len() >= kept {
        queue.pop_front();
    }
    queue.push_back(one);
}

fn point(sample: &MetricsSample, at_ms: &dyn Fn(NodeTime) -> i64) -> Point {
    Point(
        at_ms(sample.time_unix_ns),
        sample.cpu_percent as f32,
        sample.memory_used_bytes,
        sample.network_received_bytes,
        sample.network_sent_bytes,
        sample.disk_read_bytes,
        sample.disk_written_bytes,
        [
            sample.agent_rss_bytes,
            sample.broker_rss_bytes,
            sample.workload_rss_bytes,
            sample.memory_total_bytes,
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(seconds: std::ops::Range<i64>) -> MetricsBatch {
        MetricsBatch {
            samples: seconds
                .clone()
                .map(|s| MetricsSample {
                    time_unix_ns: NodeTime::from_unix_s(s),
                    memory_used_bytes: s as u64,
                    ..MetricsSample::default()
                })
                .collect(),
            dropped: 0,
            events: seconds
                .map(|s| NodeEvent {
                    time_unix_ns: NodeTime::from_unix_s(s),
                    source: "broker".into(),
                    text: format!("{s}"),
                })
                .collect(),
        }
    }

    #[test]
    fn what_an_agent_repeats_is_taken_once() {
        let mut history = NodeHistory::default();
        history.take(batch(1..5));
        history.take(batch(1..8));
        let seen: Vec<u64> = history.points.iter().map(|p| p.2).collect();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(history.events.len(), 7, "{:?}", history.events);
    }

    #[test]
    fn no_more_than_ten_minutes_are_kept() {
        let mut history = NodeHistory::default();
        history.take(batch(1..1000));
        assert_eq!(history.points.len(), SAMPLES_KEPT);
        assert_eq!(history.points[0].2, 400);
        assert_eq!(history.events.len(), EVENTS_KEPT);
    }

    #[test]
    fn times_are_those_of_the_controllers_clock() {
        let mut history = NodeHistory {
            clock: Some(ClockOffset {
                offset_ns: 2_000_000_000,
                error_ns: 0,
            }),
            ..NodeHistory::default()
        };
        history.take(batch(10..11));
        assert_eq!(history.points[0].0, 8000);
    }
}
