//! Calls that are made later. Each waits as a Secret of the cluster, for its headers and body may be secrets: the queue
//! is there again after a restart. A call is made at least once: one that a restart cut off is made again.

mod callback;
mod stored_call;
mod worker;

pub(crate) use stored_call::Waiting;
pub(crate) use worker::run;

use crate::error::ApiError;
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Label of calls that wait.
const QUEUED: &str = "continuum.dev/queue";
/// Annotation: attempts so far.
const ATTEMPTS: &str = "continuum.dev/attempts";
/// An object of the cluster holds a megabyte, and the body is in it as Base64.
pub(crate) const MAX_BODY_BYTES: usize = 700 << 10;
/// Bodies in memory while they are read and kept; more callers wait.
const BODIES_AT_A_TIME: usize = 64;

/// The queue. Only names are kept in memory: bodies come from the cluster when their turn has come.
#[derive(Clone)]
pub(crate) struct Queue {
    secrets: Api<Secret>,
    new: mpsc::UnboundedSender<String>,
    waiting: Arc<AtomicUsize>,
    bodies: Arc<Semaphore>,
    most: usize,
}

/// A place in the queue, had before the call's body is read. It is free again unless a call is kept in it.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Queue,
    is_taken: bool,
    _body: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            self.queue.end();
        }
    }
}

impl Place {
    /// Keeps a call. When this returns it is safe.
    pub(crate) async fn put(mut self, call: Waiting) -> Result<(), ApiError> {
        self.queue.keep(&call).await?;
        self.is_taken = true;
        self.queue.new.send(call.object().to_owned()).ok();
        Ok(())
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// The queue, and where names of new calls come out.
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        most: usize,
    ) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (new, calls) = mpsc::unbounded_channel();
        let queue = Self {
            secrets: Api::namespaced(client, namespace),
            new,
            waiting: Arc::default(),
            bodies: Arc::new(Semaphore::new(BODIES_AT_A_TIME)),
            most,
        };
        (queue, calls)
    }

    /// A place, if there is one within this time.
    pub(crate) async fn place(&self, within: Duration) -> Result<Place, ApiError> {
        if self.waiting.load(Ordering::Relaxed) >= self.most {
            return Err(self.full());
        }
        let body = Arc::clone(&self.bodies).acquire_owned();
        let Ok(body) = tokio::time::timeout(within, body).await else {
            let text =
                format!("{BODIES_AT_A_TIME} callers send their calls' bodies, which is the most");
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, text));
        };
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            queue: self.clone(),
            is_taken: false,
            _body: body.ok(),
        };
        if before >= self.most {
            return Err(self.full());
        }
        Ok(place)
    }

    fn full(&self) -> ApiError {
        let text = format!("{} calls wait, which is the most", self.most);
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, text)
    }

    async fn keep(&self, call: &Waiting) -> Result<(), ApiError> {
        let secret = call.to_secret(QUEUED, ATTEMPTS)?;
        let doing = format!("keep the call of {}", call.key);
        self.secrets
            .create(&PostParams::default(), &secret)
            .await
            .map(|_| ())
            .map_err(|e| ApiError::of_cluster(&doing, e))
    }

    /// Names of calls that an earlier gateway left, oldest first.
    async fn left(&self) -> kube::Result<Vec<String>> {
        let ours = ListParams::default().labels(QUEUED);
        let mut all = self.secrets.list_metadata(&ours).await?.items;
        all.sort_by_key(|s| s.metadata.creation_timestamp.as_ref().map(|t| t.0));
        let names: Vec<_> = all.into_iter().filter_map(|s| s.metadata.name).collect();
        Ok(names)
    }

    /// A call by its name; none = it is gone, or was never one.
    async fn get(&self, name: &str) -> kube::Result<Option<Waiting>> {
        let secret = self.secrets.get_opt(name).await?;
        Ok(secret.and_then(|s| Waiting::of_secret(&s, ATTEMPTS)))
    }

    async fn note_attempt(&self, call: &Waiting) -> kube::Result<()> {
        let annotations = json!({ ATTEMPTS: call.attempts.to_string() });
        let patch = json!({ "metadata": { "annotations": annotations } });
        let how = PatchParams::default();
        let patch = Patch::Merge(&patch);
        self.secrets
            .patch(call.object(), &how, &patch)
            .await
            .map(|_| ())
    }

    async fn remove(&self, name: &str) -> kube::Result<()> {
        match self.secrets.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn end(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Some were there before.
    fn count(&self, calls: usize) {
        self.waiting.fetch_add(calls, Ordering::Relaxed);
    }
}

/// Whether a function answered in a way that another attempt may change.
fn is_worth_another(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}
