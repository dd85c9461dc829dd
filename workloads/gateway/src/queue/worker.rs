//! Makes the calls that wait, again where that may help, and tells who asked.

use super::{Outcome, Queue, Waiting, is_worth_another};
use crate::{
    config::Config,
    error::ApiError,
    proxy::{Call, Proxy, Source},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc};

/// An answer that is told on may be so large.
const MAX_ANSWER_BYTES: usize = 32 << 20;
const CALLBACK_DEADLINE: Duration = Duration::from_secs(30);
/// The cluster may be away for a moment.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Makes calls until it is dropped: first those that an earlier gateway left.
pub(crate) async fn run(
    queue: Queue,
    mut new: mpsc::UnboundedReceiver<Waiting>,
    proxy: Arc<Proxy>,
    config: Config,
) {
    // A function that is not known yet must not be taken for one that is not there.
    while !proxy.world.is_synced() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = loop {
        match queue.left().await {
            Ok(left) => break left,
            Err(error) => tracing::warn!("look for calls that wait: {error}"),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    };
    if !left.is_empty() {
        tracing::info!("{} calls waited", left.len());
    }
    let slots = Arc::new(Semaphore::new(config.queue_workers.max(1)));
    let mut seen: std::collections::HashSet<String> = left.iter().map(Waiting::object).collect();
    let mut left = left.into_iter();
    loop {
        let call = match left.next() {
            Some(call) => call,
            None => match new.recv().await {
                // It came while the earlier ones were listed, and is one of them.
                Some(call) if seen.remove(&call.object()) => continue,
                Some(call) => call,
                None => return,
            },
        };
        let (queue, proxy, config) = (queue.clone(), Arc::clone(&proxy), config.clone());
        let slots = Arc::clone(&slots);
        tokio::spawn(async move {
            let outcome = make(&queue, &proxy, &config, &slots, call).await;
            tracing::info!(
                "queued call of {}: {} after {} attempts",
                outcome.key,
                outcome.status,
                outcome.attempts
            );
        });
    }
}

async fn make(
    queue: &Queue,
    proxy: &Proxy,
    config: &Config,
    slots: &Semaphore,
    mut call: Waiting,
) -> Outcome {
    let mut pause = config.retry_wait;
    let (status, headers, body) = loop {
        call.attempts += 1;
        // Known before the call is made: one that kills the gateway does not do so for ever.
        if let Err(error) = queue.note_attempt(&call).await {
            tracing::debug!("note an attempt of {}: {error}", call.object());
        }
        let answer = {
            let _slot = slots.acquire().await;
            attempt(proxy, &call).await
        };
        if !is_worth_another(answer.0) || call.attempts >= config.retry_attempts.max(1) {
            break answer;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(config.retry_wait_max);
    };
    if let Some(callback) = &call.callback
        && let Err(why) = tell(callback, &call, status, headers, body).await
    {
        tracing::warn!("tell {callback} about call {}: {why}", call.id);
    }
    while let Err(error) = queue.remove(&call).await {
        tracing::warn!("remove call {}: {error}", call.id);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    Outcome {
        key: call.key,
        status,
        attempts: call.attempts,
    }
}

async fn attempt(proxy: &Proxy, waiting: &Waiting) -> (StatusCode, HeaderMap, Bytes) {
    let call = Call {
        key: waiting.key.clone(),
        method: waiting.method.clone(),
        path: waiting.path.clone(),
        headers: waiting.headers.clone(),
        body: Source::bytes(waiting.body.clone()),
    };
    let answered = async {
        let response = proxy.call(call).await?;
        let (parts, body) = response.into_parts();
        let limited = Limited::new(body, MAX_ANSWER_BYTES);
        let body = limited.collect().await.map_err(|e| {
            ApiError::new(
                StatusCode::BAD_GATEWAY,
                format!("the answer broke off: {e}"),
            )
        })?;
        Ok::<_, ApiError>((parts.status, parts.headers, body.to_bytes()))
    };
    answered
        .await
        .unwrap_or_else(|error| (error.status, HeaderMap::new(), error.text.into()))
}

async fn tell(
    callback: &str,
    call: &Waiting,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), String> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = callback.parse().map_err(|e| format!("its address: {e}"))?;
    let own = request.headers_mut();
    for (name, value) in headers {
        if let Some(name) = name.filter(|n| *n != header::CONTENT_LENGTH) {
            own.insert(name, value);
        }
    }
    for (name, value) in [
        ("x-call-id", &*call.id),
        ("x-function-name", &*call.key.name),
        ("x-function-status", status.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            own.insert(name, value);
        }
    }
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    match tokio::time::timeout(CALLBACK_DEADLINE, client.request(request)).await {
        Err(_) => Err(format!("no answer within {CALLBACK_DEADLINE:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(response)) if response.status().is_server_error() => {
            Err(format!("it answered {}", response.status()))
        }
        Ok(Ok(_)) => Ok(()),
    }
}
