//! `/system/logs`: one JSON line for each line of a function's replicas.

mod replica_log;

use super::{Context, functions::named};
use crate::{error::ApiError, registry::Function};
use axum::{
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, api::LogParams};
use replica_log::ReplicaLog;
use std::{collections::HashSet, convert::Infallible, sync::Arc};
use tokio::{sync::mpsc, time::Instant};

/// Lines that may wait for who reads slowly.
const LINES: usize = 256;

#[derive(Debug, serde::Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
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

/// The second that a time is in. Whole seconds are asked for, and kube rounds: to the nearest, which may be the next.
fn begun(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second()).ok()
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
        Ok(LogParams {
            follow: self.follows(),
            timestamps: true,
            tail_lines: tail.filter(|t| *t > 0),
            since_time: self.since()?.and_then(begun),
            ..LogParams::default()
        })
    }

    fn since(&self) -> Result<Option<Timestamp>, ApiError> {
        let since = self.since.as_deref().filter(|s| !s.is_empty());
        since
            .map(|s| {
                // In a query, a plus sign is a space.
                s.replace(' ', "+")
                    .parse()
                    .map_err(|_| refuse("since", s, "write it as 2026-01-31T12:00:00Z"))
            })
            .transpose()
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
        since: wanted.since()?,
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
    /// To the nanosecond.
    since: Option<Timestamp>,
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

    fn one(&self, pod: String) -> impl Future<Output = ()> + Send + 'static {
        let one = ReplicaLog {
            pods: self.pods.clone(),
            function: Arc::clone(&self.function),
            lines: self.lines.clone(),
            pod,
            since: self.since,
            last: String::new(),
            told: String::new(),
        };
        one.read(self.parameters.clone())
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
        // Not the next second, in which lines that are asked for would be missing.
        let late = wanted("", "2026-01-31T12:00:00.9Z").parameters().unwrap();
        assert_eq!(late.since_time, good.since_time);
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
