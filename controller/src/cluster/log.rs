//! The log of a pod: lines with their times, each once, however often the connection breaks.

use super::ASK_DEADLINE;
use crate::agents::{RunEvent, RunEventKind};
use futures_util::{AsyncBufReadExt, StreamExt};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, api::LogParams};
use tokio::sync::mpsc;

/// How far a log was read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    last: Option<Timestamp>,
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
        // The kubelet numbers times to the nanosecond, and a log has them in order.
        if self.last.is_some_and(|last| time <= last) {
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

    /// Reads on until the log ends; with `follow` that is when the container does.
    pub(super) async fn read(
        &mut self,
        pods: &Api<Pod>,
        pod: &str,
        follow: bool,
        events: &mpsc::Sender<RunEvent>,
    ) -> Result<(), String> {
        let parameters = LogParams {
            follow,
            timestamps: true,
            since_time: self.last,
            ..LogParams::default()
        };
        let asked = tokio::time::timeout(ASK_DEADLINE, pods.log_stream(pod, &parameters)).await;
        let stream = asked
            .map_err(|_| "no answer from the API server".to_owned())?
            .map_err(|e| e.to_string())?;
        let stream = std::pin::pin!(stream);
        let mut lines = stream.lines();
        while let Some(line) = lines.next().await {
            let line = line.map_err(|e| e.to_string())?;
            if let Some(event) = self.take(&line) {
                // Nobody reads any more: the run is being ended.
                if events.send(event).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
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
        assert!(reader.take(first).is_none());
        assert!(reader.take("2026-01-01T00:00:00.000000002Z ").is_some());
        assert!(reader.take("unable to retrieve container logs").is_none());
    }
}
