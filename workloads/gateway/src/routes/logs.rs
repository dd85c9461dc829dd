//! `/system/logs`: one JSON line for each line of a function's replicas.

use super::{Context, functions::named};
use crate::{error::ApiError, world::Function};
use axum::{
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use continuum_openfaas_api::LogMessage;
use futures_util::{AsyncBufRead, AsyncBufReadExt, StreamExt, stream};
use http::{StatusCode, header};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, api::LogParams};
use std::{collections::HashSet, convert::Infallible, str::FromStr, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// Lines that may wait for who reads slowly.
const LINES: usize = 256;
const AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, serde::Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
    /// One replica.
    instance: Option<String>,
    /// RFC 3339.
    since: Option<String>,
    tail: Option<String>,
    follow: Option<String>,
}

fn refuse(what: &str, value: &str, how: &str) -> ApiError {
    let text = format!("`{what}` is `{value}`; {how}");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

impl Wanted {
    fn parameters(&self) -> Result<LogParams, ApiError> {
        let tail = self.tail.as_deref().filter(|t| !t.is_empty());
        let tail = tail
            .map(|t| {
                t.parse::<i64>()
                    .map_err(|_| refuse("tail", t, "it must be a number of lines"))
            })
            .transpose()?;
        let since = self.since.as_deref().filter(|s| !s.is_empty());
        let since = since
            .map(|s| {
                // In a query, a plus sign is a space.
                s.replace(' ', "+")
                    .parse()
                    .map_err(|_| refuse("since", s, "write it as 2026-01-31T12:00:00Z"))
            })
            .transpose()?;
        Ok(LogParams {
            follow: self.follows(),
            timestamps: true,
            tail_lines: tail.filter(|t| *t > 0),
            since_time: since,
            ..LogParams::default()
        })
    }

    fn follows(&self) -> bool {
        matches!(
            self.follow.as_deref(),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE")
        )
    }
}

pub(super) async fn logs(
    State(context): State<Context>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    if wanted.name.is_empty() {
        return Err(refuse("name", "", "it must be the name of a function"));
    }
    let parameters = wanted.parameters()?;
    let key = named(&context, &wanted.name, wanted.namespace.as_deref()).await?;
    let function = context.proxy.find(&key).await?;
    let (lines, mut receiver) = mpsc::channel(LINES);
    let reader = Reader {
        pods: Api::namespaced(context.streams.clone(), &key.namespace),
        function,
        parameters,
        lines,
        instance: wanted.instance.filter(|i| !i.is_empty()),
    };
    let deadline = Instant::now() + context.proxy.config.write_timeout;
    tokio::spawn(async move {
        tokio::time::timeout_at(deadline, reader.read()).await.ok();
    });
    let lines = stream::poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok::<String, Infallible>);
    let how = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((how, Body::from_stream(lines)).into_response())
}

struct Reader {
    pods: Api<Pod>,
    function: Arc<Function>,
    parameters: LogParams,
    lines: mpsc::Sender<String>,
    instance: Option<String>,
}

impl Reader {
    /// All replicas at once; those that come later too, if the log is followed.
    async fn read(self) {
        let mut changes = self.function.changes();
        let mut known: HashSet<String> = HashSet::new();
        let mut readers = tokio::task::JoinSet::new();
        loop {
            let state = changes.borrow_and_update().clone();
            for pod in state.replicas.keys() {
                let is_asked_for = self.instance.as_ref().is_none_or(|i| i == pod);
                if is_asked_for && known.insert(pod.clone()) {
                    let one = self.one(pod.clone());
                    readers.spawn(one);
                }
            }
            if !self.parameters.follow {
                readers.join_all().await;
                return;
            }
            tokio::select! {
                () = self.lines.closed() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One replica.
    fn one(&self, pod: String) -> impl Future<Output = ()> + Send + 'static {
        let one = One {
            pods: self.pods.clone(),
            function: Arc::clone(&self.function),
            lines: self.lines.clone(),
            pod,
            last: String::new(),
            told: String::new(),
        };
        one.read(self.parameters.clone())
    }
}

/// The log of one replica.
struct One {
    pods: Api<Pod>,
    function: Arc<Function>,
    lines: mpsc::Sender<String>,
    pod: String,
    /// Time of the last line that was told; all have the same form, and so the order of their texts.
    last: String,
    /// The same when the log was opened again: lines up to it come twice.
    told: String,
}

impl One {
    /// To its end, or as long as the replica is there: its container may not have begun, and may start again, and its node
    /// may be out of reach for a while. Without following there is nothing to wait for. The caller's going away ends it.
    async fn read(mut self, mut parameters: LogParams) {
        loop {
            match self.pods.log_stream(&self.pod, &parameters).await {
                Ok(stream) => self.hand_on(stream).await,
                Err(error) => tracing::debug!("log of {}: {error}", self.pod),
            }
            if !parameters.follow {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = self.lines.closed() => return,
            }
            if !self.function.state().replicas.contains_key(&self.pod) {
                return;
            }
            // Whole seconds are asked for, and kube rounds: the second that has begun, not the nearest.
            let last = Timestamp::from_str(&self.last).ok();
            let last = last.and_then(|t| Timestamp::from_second(t.as_second()).ok());
            parameters.since_time = last.or(parameters.since_time);
            parameters.tail_lines = None;
            self.told.clone_from(&self.last);
        }
    }

    async fn hand_on(&mut self, mut stream: impl AsyncBufRead + Unpin) {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match stream.read_until(b'\n', &mut bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
            // Programs write what they like.
            let line = String::from_utf8_lossy(&bytes);
            if self
                .tell(line.trim_end_matches(['\n', '\r']))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// Hands a line on, unless it was told before.
    async fn tell(&mut self, line: &str) -> Result<(), mpsc::error::SendError<String>> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        // Kubelets have lines of their own among them, which have no time.
        let (timestamp, text) = if Timestamp::from_str(first).is_ok() {
            if first <= &*self.told {
                return Ok(());
            }
            first.clone_into(&mut self.last);
            (first.to_owned(), rest)
        } else {
            (self.last.clone(), line)
        };
        let message = LogMessage {
            name: self.function.key.name.clone(),
            namespace: self.function.key.namespace.clone(),
            instance: self.pod.clone(),
            timestamp,
            text: text.to_owned(),
        };
        match serde_json::to_string(&message) {
            Ok(line) => self.lines.send(format!("{line}\n")).await,
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_understood_or_named() {
        let wanted = |tail: &str, since: &str| Wanted {
            name: "f".into(),
            namespace: None,
            instance: None,
            since: Some(since.into()),
            tail: Some(tail.into()),
            follow: Some("true".into()),
        };
        let good = wanted("5", "2026-01-31T12:00:00Z").parameters().unwrap();
        assert_eq!((good.tail_lines, good.follow), (Some(5), true));
        assert!(wanted("", "2026-01-31T12:00:00 02:00").parameters().is_ok());
        assert!(
            wanted("few", "")
                .parameters()
                .unwrap_err()
                .text
                .contains("tail")
        );
        assert!(
            wanted("", "now")
                .parameters()
                .unwrap_err()
                .text
                .contains("since")
        );
    }
}
