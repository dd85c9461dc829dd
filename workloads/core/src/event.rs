//! What a run says while it runs: JSON lines on standard output, read by the agent and the controller.

use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    sync::{Arc, Mutex},
};

/// One line of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run can take work: model loaded, broker subscribed.
    Ready {
        /// What is used, for the record: threads, library versions, …
        #[serde(default)]
        detail: String,
    },
    /// How far it is.
    Progress {
        done: u64,
        /// To be done, if known.
        total: Option<u64>,
    },
    /// One input could not be used; the run goes on.
    BadInput { what: String, why: String },
    /// A value that the run measured by itself.
    Measured {
        /// Its name, with the unit.
        metric: String,
        value: f64,
    },
    /// The run is over, by itself or because it was stopped, and its files are complete.
    Finished(Summary),
}

/// Counts at the end of a run, also of one that was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Messages sent, or items taken in.
    pub sent: u64,
    /// Answered, or processed.
    pub answered: u64,
    /// Sent and never answered.
    pub lost: u64,
    /// Answers that came more than once.
    pub duplicates: u64,
    /// Items thrown away because a queue was full.
    pub dropped: u64,
    /// Items that could not be used (not a photo, too large, …).
    pub bad_inputs: u64,
    /// Sends that began more than 10 ms after they were due.
    pub slips: u64,
    /// Of those, the ones that had to wait until the connection took what was there before them.
    pub slips_waiting: u64,
    /// Times the connection to the broker was lost and made again.
    pub reconnects: u64,
    /// Messages that were sent more than once, because a connection broke or a broker lost them.
    pub resent: u64,
    /// Answered, after it had to be sent more than once.
    pub late: u64,
    /// Times a send waited because the connection took nothing more.
    pub waits: u64,
    /// How long it waited, together.
    pub waited_ms: u64,
    /// Times the whole process stood still for more than a second.
    pub stalls: u64,
    /// How long it stood still, together.
    pub stalled_ms: u64,
}

impl Summary {
    /// Of a run that was a single item, which is done.
    pub fn of_one() -> Self {
        Self {
            sent: 1,
            answered: 1,
            ..Self::default()
        }
    }
}

/// Where events go. Cloning shares the output; lines never mix.
#[derive(Clone)]
pub struct EventSink(Arc<Mutex<Box<dyn Write + Send>>>);

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventSink")
    }
}

impl EventSink {
    /// Events to any writer.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(writer))))
    }

    /// Writes one event as a line. A reader that went away is not a fault of the run.
    pub fn send(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        if let Ok(mut writer) = self.0.lock()
            && writer.write_all(&line).is_ok()
        {
            writer.flush().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_single_lines_that_parse_back() {
        let event = Event::Finished(Summary {
            sent: 3,
            answered: 2,
            lost: 1,
            ..Summary::default()
        });
        let line = serde_json::to_string(&event).unwrap();
        assert!(
            line.starts_with(r#"{"event":"finished","sent":3"#),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
