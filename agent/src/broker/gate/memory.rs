//! What rumqttd holds in memory, counted from outside.
//!
//! It keeps a log for each filter that was ever subscribed to, up to two segments of messages, and gives none back. So the
//! sum over all filters is kept within a limit here, in front of it: a message that would make a log grow beyond it is not
//! let in. Logs that are full do not grow, and are no reason to refuse anybody.

use std::collections::HashMap;

/// Two segments, as configured.
const LOG_BYTES: u64 = 2 * super::super::rumqttd::SEGMENT_BYTES;
/// What rumqttd needs for a message beside its bytes; measured with messages of 100 bytes.
const MESSAGE_BYTES: u64 = 400;
/// Topics whose filters are remembered; beyond that they are looked up again.
const TOPICS_KEPT: usize = 10_000;

#[derive(Debug, Default)]
struct Log {
    filter: String,
    /// As rumqttd counts, which is what makes it drop the oldest.
    counted: u64,
    held: u64,
}

#[derive(Debug)]
pub(super) struct Memory {
    logs: Vec<Log>,
    by_topic: HashMap<String, Vec<usize>>,
    held: u64,
    limit: u64,
    has_retained: bool,
}

impl Memory {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            logs: Vec::new(),
            by_topic: HashMap::new(),
            held: 0,
            limit,
            has_retained: false,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes, about.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Something that its clients may want later, whoever is connected.
    pub(super) fn has_retained(&self) -> bool {
        self.has_retained
    }

    pub(super) fn subscribe(&mut self, filter: &str) {
        let filter = match filter.strip_prefix("$share/") {
            Some(rest) => rest.split_once('/').map_or(rest, |(_, filter)| filter),
            None => filter,
        };
        if self.logs.iter().all(|log| log.filter != filter) {
            self.logs.push(Log {
                filter: filter.to_owned(),
                ..Log::default()
            });
            self.by_topic.clear();
        }
    }

    /// A message is published; `false` if there is no memory for it. Without a topic it may be for every filter.
    pub(super) fn publish(&mut self, topic: Option<&str>, bytes: u64, is_retained: bool) -> bool {
        let places = match topic {
            Some(topic) => self.places(topic),
            None => (0..self.logs.len()).collect(),
        };
        let growing = |log: &&mut Log| log.counted < LOG_BYTES;
        let mut logs: Vec<&mut Log> = self
            .logs
            .iter_mut()
            .enumerate()
            .filter_map(|(place, log)| places.contains(&place).then_some(log))
            .filter(growing)
            .collect();
        let more = (bytes + MESSAGE_BYTES) * logs.len() as u64;
        if more > 0 && self.held + more > self.limit {
            return false;
        }
        for log in &mut logs {
            log.counted += bytes;
            log.held += bytes + MESSAGE_BYTES;
        }
        self.held += more;
        self.has_retained |= is_retained;
        true
    }

    fn places(&mut self, topic: &str) -> Vec<usize> {
        if let Some(places) = self.by_topic.get(topic) {
            return places.clone();
        }
        let logs = self.logs.iter().enumerate();
        let places: Vec<usize> = logs
            .filter(|(_, log)| matches(topic, &log.filter))
            .map(|(place, _)| place)
            .collect();
        if self.by_topic.len() >= TOPICS_KEPT {
            self.by_topic.clear();
        }
        self.by_topic.insert(topic.to_owned(), places.clone());
        places
    }
}

/// As MQTT matches topics with filters.
fn matches(topic: &str, filter: &str) -> bool {
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (part, Some(level)) if part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_filters_as_mqtt_says() {
        for (topic, filter, want) in [
            ("a/b", "a/b", true),
            ("a/b", "a/+", true),
            ("a/b", "#", true),
            ("a", "a/#", true),
            ("a/b/c", "a/+", false),
            ("a", "a/b", false),
            ("a/b", "a", false),
        ] {
            assert_eq!(matches(topic, filter), want, "{topic} {filter}");
        }
    }

    #[test]
    fn the_sum_over_all_filters_stays_within_the_limit() {
        let mut memory = Memory::new(60 << 20);
        let megabyte = 1 << 20;
        for n in 0..10 {
            memory.subscribe(&format!("t/{n}"));
        }
        let mut taken = 0;
        for round in 0..40 {
            for n in 0..10 {
                taken += u64::from(memory.publish(Some(&format!("t/{n}")), megabyte, false));
            }
            assert!(memory.held() <= memory.limit(), "round {round}");
        }
        assert!(taken >= 59, "{taken}");
        // Nobody has subscribed to it, so nothing is kept of it.
        assert!(memory.publish(Some("other"), megabyte, false));
    }

    #[test]
    fn a_full_log_grows_no_more_and_takes_what_comes() {
        let mut memory = Memory::new(1 << 30);
        memory.subscribe("$share/group/t");
        memory.subscribe("t");
        for _ in 0..1000 {
            assert!(memory.publish(Some("t"), 1 << 20, false));
        }
        assert!(memory.held() <= LOG_BYTES + (2 << 20), "{}", memory.held());
        assert!(!memory.has_retained());
        memory.publish(Some("t"), 1, true);
        assert!(memory.has_retained());
    }
}
