//! The log of a pod: lines with their times, each once, however often the connection breaks.

use super::{AGAIN_AFTER, ASK_DEADLINE};
use continuum_agents::{RunEvent, RunEventKind};
use continuum_common::wait::Patience;
use continuum_model::NodeTime;
use futures_util::AsyncBufReadExt;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, api::LogParams};
use std::time::Duration;
use tokio::{sync::mpsc, time::Instant};

/// For a log that could not be had sooner.
const LONGEST_ASK: Duration = Duration::from_secs(30);
/// For what is left of the log of a container that ended.
const REST_DEADLINE: Duration = Duration::from_mins(3);

/// Why a log could not be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) why: String,
    /// There is none.
    is_gone: bool,
}

impl Unread {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_gone: false,
        }
    }
}

impl From<kube::Error> for Unread {
    fn from(error: kube::Error) -> Self {
        Self {
            why: error.to_string(),
            is_gone: matches!(&error, kube::Error::Api(status) if status.code == 404),
        }
    }
}

/// How far a log was read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Of a pod with several containers.
    container: Option<String>,
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

/// Lines are stamped by the runtime of the node.
fn by_node(time: Timestamp) -> NodeTime {
    NodeTime::from_unix_ns(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
}

impl Reader {
    /// Of a pod's only container, or of one of several.
    pub(super) fn of(container: Option<String>) -> Self {
        Self {
            container,
            ..Self::default()
        }
    }

    /// Takes one line; `None` for one that was taken before.
    fn take(&mut self, line: &str) -> Option<RunEvent> {
        let (time, text) = split(line)?;
        // Not by the last line: a node's clock may be set back, and what is said after that counts.
        if self.told.is_some_and(|told| time <= told) {
            return None;
        }
        self.last = Some(time);
        Some(RunEvent {
            time_unix_ns: by_node(time),
            kind: RunEventKind::Line(text.to_owned()),
        })
    }

    /// Of the last line.
    pub(super) fn last(&self) -> Option<NodeTime> {
        self.last.map(by_node)
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
    ) -> Result<(), Unread> {
        let read = self.read_once(pods, pod, follow, events).await;
        if read.is_err() {
            self.broken_since.get_or_insert_with(Instant::now);
        }
        read
    }

    /// Reads what is left when the container has ended. For how long nothing could be read before does not count: whoever
    /// told of the end is there again.
    pub(super) async fn rest(
        &mut self,
        pods: &Api<Pod>,
        pod: &str,
        events: &mpsc::Sender<RunEvent>,
    ) -> Result<(), Unread> {
        let mut patience = Patience::new(REST_DEADLINE, AGAIN_AFTER);
        loop {
            match self.read(pods, pod, false, events).await {
                Err(unread) if !unread.is_gone => {
                    tracing::debug!("log of {pod}: {}", unread.why);
                    patience.again(unread).await?;
                }
                other => return other,
            }
        }
    }

    async fn read_once(
        &mut self,
        pods: &Api<Pod>,
        pod: &str,
        follow: bool,
        events: &mpsc::Sender<RunEvent>,
    ) -> Result<(), Unread> {
        self.told = self.last;
        // Whole seconds are asked for, and kube rounds: the second that has begun, not the nearest.
        let begun = |last: Timestamp| Timestamp::from_second(last.as_second()).ok();
        let parameters = LogParams {
            container: self.container.clone(),
            follow,
            timestamps: true,
            since_time: self.last.and_then(begun),
            ..LogParams::default()
        };
        // The kubelet behind the API server may be too busy for this; whoever asks it again and again makes it no faster.
        let deadline = (self.broken_for() / 2).clamp(ASK_DEADLINE, LONGEST_ASK);
        let asked = tokio::time::timeout(deadline, pods.log_stream(pod, &parameters)).await;
        let stream = asked.map_err(|_| {
            let seconds = deadline.as_secs();
            Unread::new(format!("no answer from the kubelet within {seconds} s"))
        })??;
        self.broken_since = None;
        let mut stream = std::pin::pin!(stream);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = stream.read_until(b'\n', &mut bytes).await;
            if read.map_err(|e| Unread::new(e.to_string()))? == 0 {
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
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// Says these, one a connection.
    async fn fake_api_server(answers: Vec<(&'static str, String)>) -> Api<Pod> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                assert!(socket.read(&mut request).await.unwrap() > 0);
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                socket.write_all(text.as_bytes()).await.unwrap();
            }
        });
        let address = format!("http://{address}").parse().unwrap();
        let client = kube::Client::try_from(kube::Config::new(address)).unwrap();
        Api::default_namespaced(client)
    }

    #[tokio::test]
    async fn the_rest_of_a_log_is_read_after_a_long_silence() {
        let busy = ("500 Internal Server Error", "busy".to_owned());
        let line = "2026-01-01T00:00:00.000000001Z the last words\n";
        let api = fake_api_server(vec![busy, ("200 OK", line.to_owned())]).await;
        let long_ago = Instant::now().checked_sub(REST_DEADLINE * 2);
        let mut reader = Reader {
            broken_since: Some(long_ago.unwrap()),
            ..Reader::default()
        };
        let (events, mut taken) = mpsc::channel(1);
        reader.rest(&api, "p", &events).await.unwrap();
        let RunEventKind::Line(text) = taken.recv().await.unwrap().kind else {
            panic!("not a line")
        };
        assert_eq!(text, "the last words");
        assert_eq!(reader.broken_for(), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_log_of_a_pod_that_is_gone_is_not_waited_for() {
        let body = r#"{"kind":"Status","status":"Failure","message":"pods \"p\" not found","reason":"NotFound","code":404}"#;
        let api = fake_api_server(vec![("404 Not Found", body.to_owned())]).await;
        let (events, _taken) = mpsc::channel(1);
        let unread = Reader::default().rest(&api, "p", &events).await;
        let why = unread.unwrap_err().why;
        assert!(why.contains("not found"), "{why}");
    }

    #[test]
    fn a_line_is_taken_once_with_its_time() {
        let mut reader = Reader::default();
        let first = "2026-01-01T00:00:00.000000001Z {\"event\":\"ready\"}";
        let event = reader.take(first).unwrap();
        assert_eq!(event.time_unix_ns.unix_ns(), 1_767_225_600_000_000_001);
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
