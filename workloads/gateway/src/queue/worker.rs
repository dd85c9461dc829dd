//! Makes the calls that wait, again where that may help, and tells who asked.

use super::{
    Queue, Waiting,
    callback::{Callbacks, DEADLINE as CALLBACK_DEADLINE, public},
    is_worth_another,
};
use crate::{
    config::Config,
    error::ApiError,
    proxy::{Call, Proxy, Source},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// An answer that is told on may be so large.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// The cluster may be away for a moment.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Makes calls until `stop`, first those that an earlier gateway left. Attempts that run then are finished; everything
/// else is kept, and made by the gateway that comes next.
pub(crate) async fn run(
    queue: Queue,
    mut new: mpsc::UnboundedReceiver<String>,
    proxy: Arc<Proxy>,
    config: Config,
    stop: CancellationToken,
) {
    let Some(left) = stop.run_until_cancelled(left(&queue, &proxy)).await else {
        return;
    };
    let longest = config.upstream_timeout + CALLBACK_DEADLINE;
    let worker = Arc::new(Worker {
        slots: Semaphore::new(config.queue_workers.max(1)),
        callbacks: Callbacks::new(&config),
        queue,
        proxy,
        config,
        stop: stop.clone(),
    });
    // What came while the earlier ones were listed is one of them, and told twice.
    let mut seen: HashSet<String> = left.iter().cloned().collect();
    worker.queue.count(left.len());
    if !left.is_empty() {
        tracing::info!("{} calls waited", left.len());
    }
    let calls = TaskTracker::new();
    for name in left {
        calls.spawn(Arc::clone(&worker).make(name));
    }
    while let Some(Some(name)) = stop.run_until_cancelled(new.recv()).await {
        if seen.remove(&name) {
            worker.queue.end();
        } else {
            calls.spawn(Arc::clone(&worker).make(name));
        }
    }
    calls.close();
    if tokio::time::timeout(longest, calls.wait()).await.is_err() {
        tracing::warn!("queued calls still run after {longest:?}; they will be made again");
    }
}

/// Calls that an earlier gateway left.
async fn left(queue: &Queue, proxy: &Proxy) -> Vec<String> {
    // A function that is not known yet must not be taken for one that is not there.
    proxy.registry.until_synced().await;
    loop {
        match queue.left().await {
            Ok(left) => return left,
            Err(error) => tracing::warn!("look for calls that wait: {error}"),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

struct Worker {
    queue: Queue,
    proxy: Arc<Proxy>,
    config: Config,
    callbacks: Callbacks,
    /// Calls at a time; those that pause before another attempt have none.
    slots: Semaphore,
    stop: CancellationToken,
}

impl Worker {
    async fn make(self: Arc<Self>, name: String) {
        let mut pause = self.config.retry_wait;
        loop {
            let Some(slot) = self.stop.run_until_cancelled(self.slots.acquire()).await else {
                return;
            };
            let is_over = self.try_once(&name).await;
            drop(slot);
            if is_over {
                break;
            }
            let paused = self.stop.run_until_cancelled(tokio::time::sleep(pause));
            if paused.await.is_none() {
                return;
            }
            pause = (pause * 2).min(self.config.retry_wait_max);
        }
        while let Err(error) = self.queue.remove(&name).await {
            tracing::warn!("remove {name}: {error}");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        self.queue.end();
    }

    /// One attempt; whether it was the last.
    async fn try_once(&self, name: &str) -> bool {
        let mut call = match self.queue.get(name).await {
            Ok(Some(call)) => call,
            Ok(None) => {
                tracing::warn!("{name} is gone, or is no call");
                return true;
            }
            Err(error) => {
                tracing::warn!("read {name}: {error}");
                return false;
            }
        };
        let most = self.config.retry_attempts.max(1);
        // One that a crash cut off is made again, but one that kills the gateway does not do so for ever: attempts are
        // known before they are made, and there is one more of them than others get.
        let (status, headers, body) = if call.attempts > most {
            let text = format!("given up after {} attempts that did not end", call.attempts);
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                HeaderMap::new(),
                text.into(),
            )
        } else {
            call.attempts += 1;
            if let Err(error) = self.queue.note_attempt(&call).await {
                tracing::warn!("note an attempt of {name}: {error}");
                return false;
            }
            attempt(&self.proxy, &call).await
        };
        if is_worth_another(status) && call.attempts < most {
            return false;
        }
        tracing::info!(
            "queued call of {}: {status} after {} attempts",
            call.key,
            call.attempts
        );
        if let Some(callback) = &call.callback
            && let Err(why) = self
                .callbacks
                .tell(callback, &call, status, headers, body)
                .await
        {
            tracing::warn!(
                "the callback {} of call {} was not taken: {why}",
                public(callback),
                call.id
            );
        }
        true
    }
}

fn broken(error: &dyn std::error::Error) -> ApiError {
    let text = format!("the answer broke off: {error}");
    ApiError::new(StatusCode::BAD_GATEWAY, text)
}

async fn attempt(proxy: &Proxy, waiting: &Waiting) -> (StatusCode, HeaderMap, Bytes) {
    let call = Call {
        key: waiting.key.clone(),
        method: waiting.method.clone(),
        path: waiting.path.clone(),
        headers: waiting.headers.clone(),
        body: Source::bytes(waiting.body.clone()),
        peer: None,
        upgrade: None,
    };
    let answered = async {
        let response = proxy.call(call).await?;
        let (parts, mut body) = response.into_parts();
        if waiting.callback.is_none() {
            // Nobody hears it; it is read to its end all the same, which is the end of the call.
            while let Some(frame) = body.frame().await {
                frame.map_err(|e| broken(&*e))?;
            }
            return Ok((parts.status, parts.headers, Bytes::new()));
        }
        match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
            Ok(body) => Ok::<_, ApiError>((parts.status, parts.headers, body.to_bytes())),
            // The call was made, and is not made again for that.
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let text = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
                Ok((parts.status, HeaderMap::new(), text.into()))
            }
            Err(error) => Err(broken(&*error)),
        }
    };
    answered
        .await
        .unwrap_or_else(|error| (error.status, HeaderMap::new(), error.text.into()))
}
