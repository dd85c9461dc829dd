//! Calls that are made later. Each waits as a Secret of the cluster, for its headers and body may be secrets: the queue
//! is there again after a restart. A call is made at least once: one that a restart cut off is made again.

mod stored;
mod worker;

pub(crate) use stored::Waiting;
pub(crate) use worker::run;

use crate::{error::ApiError, functions::Key};
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;

/// Label of calls that wait.
const QUEUED: &str = "continuum.dev/queue";
/// Annotation: attempts so far.
const ATTEMPTS: &str = "continuum.dev/attempts";
/// An object of the cluster holds a megabyte, and the body is in it as Base64.
pub(crate) const MAX_BODY_BYTES: usize = 700 << 10;

/// The queue.
#[derive(Clone)]
pub(crate) struct Queue {
    secrets: Api<Secret>,
    new: mpsc::UnboundedSender<Waiting>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// The queue, and where new calls come out.
    pub(crate) fn new(client: Client, namespace: &str) -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        let (new, calls) = mpsc::unbounded_channel();
        let secrets = Api::namespaced(client, namespace);
        (Self { secrets, new }, calls)
    }

    /// Keeps a call. When this returns it is safe.
    pub(crate) async fn put(&self, call: Waiting) -> Result<(), ApiError> {
        if call.body.len() > MAX_BODY_BYTES {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a call that waits may have {MAX_BODY_BYTES} bytes; make it synchronously"),
            ));
        }
        let secret = call.to_secret(QUEUED, ATTEMPTS)?;
        let doing = format!("keep the call of {}", call.key);
        self.secrets
            .create(&PostParams::default(), &secret)
            .await
            .map_err(|e| ApiError::of_cluster(&doing, e))?;
        self.new.send(call).ok();
        Ok(())
    }

    /// Calls that an earlier gateway left, oldest first.
    async fn left(&self) -> kube::Result<Vec<Waiting>> {
        let ours = ListParams::default().labels(QUEUED);
        let mut all = self.secrets.list(&ours).await?.items;
        all.sort_by_key(|s| s.metadata.creation_timestamp.as_ref().map(|t| t.0));
        let read = |secret: &Secret| {
            let call = Waiting::of_secret(secret, ATTEMPTS);
            if call.is_none() {
                let name = secret.metadata.name.as_deref().unwrap_or_default();
                tracing::warn!("secret {name} is marked as a call and is none");
            }
            call
        };
        Ok(all.iter().filter_map(read).collect())
    }

    async fn note_attempt(&self, call: &Waiting) -> kube::Result<()> {
        let annotations = json!({ ATTEMPTS: call.attempts.to_string() });
        let patch = json!({ "metadata": { "annotations": annotations } });
        let how = PatchParams::default();
        let patch = Patch::Merge(&patch);
        self.secrets
            .patch(&call.object(), &how, &patch)
            .await
            .map(|_| ())
    }

    async fn remove(&self, call: &Waiting) -> kube::Result<()> {
        let (name, how) = (call.object(), DeleteParams::default());
        match self.secrets.delete(&name, &how).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Whether a function answered in a way that another attempt may change.
fn is_worth_another(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// How a queued call ended, for logs.
#[derive(Debug)]
struct Outcome {
    key: Key,
    status: StatusCode,
    attempts: u32,
}
