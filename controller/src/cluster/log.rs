//! The log of a pod: lines with their times, each once, however often the connection breaks.

use super::ASK_DEADLINE;
use crate::agents::{RunEvent, RunEventKind};
use futures_util::AsyncBufReadExt;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, api::LogParams};
use std::time::Duration;
use tokio::{sync::mpsc, time::Instant};

/// For a log that could not be had sooner.
const LONGEST_ASK: Duration = Duration::from_secs(30);

/// How far a log was read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    last: Option<Timestamp>,
    /// `last` when the log was opened again: lines up to it come twice.
    told: Option<Timestamp>,
    /// Since when nothing of it could be read.
    broken_since: Option<Instant>,
}

/// `TIME text`, as the API server sends lines with `timestamps`.
fn split(line: &str) -> Option<(Timestamp, &str)> {
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    Some((time.parse().ok()?, text))
}

impl Reader {
    /// Takes one line; `None` for one that was taken before.
    fn take(&mut self, line: &str) -> Option<RunEvent> {
        let (time, text) = split(line)?;
        // Not by the last line: a node's clock may be set back, and what is said after that counts.
        if self.told.is_some_and(|told| time <= told) {
            return None;
        }
        self.last = Some(time);
        Some(RunEvent {
            time_unix_ns: i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX),
            kind: RunEventKind::Line(text.to_owned()),
        })
    }

    /// Time of the last line, nanoseconds since 1970.
    pub(super) fn last_unix_ns(&self) -> Option<i64> {
        i64::try_from(self.last?.as_nanosecond()).ok()
    }

    /// For how long nothing could be read.
    pub(super) fn broken_for(&self) -> Duration {
        self.broken_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Reads on until the log ends; with `follow` that is when the container does.
    pub(super) async fn read(
        &mut self,
        pods: &Api<Pod>,
        pod: &str,
        follow: bool,
        events: &mpsc::Sender<RunEvent>,
    ) -> Result<(), String> {
        let read = self.read_once(pods, pod, follow, events).await;
        if read.is_err() {
            self.broken_since.get_or_insert_with(Instant::now);
        }
        read
    }

    async fn read_once(
        &mut self,
        pods: &Api<Pod>,
        pod: &str,
        follow: bool,
        events: &mpsc::Sender<RunEvent>,
    ) -> Result<(), String> {
        self.told = self.last;
        // Whole seconds are asked for, and kube rounds: the second that has begun, not the nearest.
        let begun = |last: Timestamp| Timestamp::from_second(last.as_second()).ok();
        let parameters = LogParams {
            follow,
            timestamps: true,
            since_time: self.last.and_then(begun),
            ..LogParams::default()
        };
        // The kubelet behind the API server may be too busy for this; whoever asks it again and again makes it no faster.
        let deadline = (self.broken_for() / 2).clamp(ASK_DEADLINE, LONGEST_ASK);
        let asked = tokio::time::timeout(deadline, pods.log_stream(pod, &parameters)).await;
        let stream = asked
            .map_err(|_| format!("no answer from the kubelet within {} s", deadline.as_secs()))?
            .map_err(|e| e.to_string())?;
        self.broken_since = None;
        let mut stream = std::pin::pin!(stream);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = stream.read_until(b'\n', &mut bytes).await;
            if read.map_err(|e| e.to_string())? == 0 {
                return Ok(());
            }
            // Programs write what they like.
            let line = String::from_utf8_lossy(&bytes);
            if let Some(event) = self.take(line.trim_end_matches(['\n', '\r'])) {
                // Nobody reads any more: the run is being ended.
                if events.send(event).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_once_with_its_time() {
        let mut reader = Reader::default();
        let first = "2026-01-01T00:00:00.000000001Z {\"event\":\"ready\"}";
        let event = reader.take(first).unwrap();
        assert_eq!(event.time_unix_ns, 1_767_225_600_000_000_001);
        let RunEventKind::Line(text) = event.kind else {
            panic!("not a line")
        };
        assert_eq!(text, "{\"event\":\"ready\"}");
        // Asked again from the second in which the connection broke.
        reader.told = reader.last;
        assert!(reader.take(first).is_none());
        assert!(reader.take("2026-01-01T00:00:00.000000002Z ").is_some());
        assert!(reader.take("unable to retrieve container logs").is_none());
    }
}
