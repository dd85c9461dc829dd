//! A pod of a function.

use k8s_openapi::api::core::v1::Pod;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) pod: String,
    /// Where it runs; none = no node has it yet.
    pub(crate) node: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) is_ready: bool,
    /// It finishes what it has, and takes nothing new.
    pub(crate) is_leaving: bool,
    /// Why it is not ready, if somebody says so.
    pub(crate) trouble: Option<String>,
    /// In flight; shared by all that is said about the same pod.
    pub(crate) calls: Arc<AtomicU64>,
}

impl Replica {
    pub(crate) fn of(pod: &Pod, calls: Arc<AtomicU64>) -> Self {
        let status = pod.status.as_ref();
        let conditions = status.and_then(|s| s.conditions.as_ref());
        let is_true = |what: &str| {
            let mut all = conditions.into_iter().flatten();
            all.any(|c| c.type_ == what && c.status == "True")
        };
        let waiting = status
            .and_then(|s| s.container_statuses.as_ref())
            .and_then(|all| all.first()?.state.as_ref()?.waiting.clone())
            .filter(|w| w.reason.as_deref() != Some("ContainerCreating"));
        let waiting = waiting.map(|w| {
            let (reason, message) = (w.reason.unwrap_or_default(), w.message.unwrap_or_default());
            format!("{reason}: {message}")
        });
        let unscheduled = conditions
            .into_iter()
            .flatten()
            .find(|c| c.type_ == "PodScheduled" && c.status == "False")
            .map(|c| {
                format!(
                    "no node takes it: {}",
                    c.message.as_deref().unwrap_or_default()
                )
            });
        Self {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|s| s.node_name.clone()),
            address: status.and_then(|s| s.pod_ip.as_ref()?.parse().ok()),
            is_ready: is_true("Ready"),
            is_leaving: pod.metadata.deletion_timestamp.is_some(),
            trouble: waiting.or(unscheduled),
            calls,
        }
    }

    pub(crate) fn takes_calls(&self) -> bool {
        self.is_ready && !self.is_leaving && self.address.is_some()
    }
}

/// A call in flight to a replica.
#[derive(Debug)]
pub(crate) struct Busy(Arc<AtomicU64>);

impl Busy {
    pub(crate) fn with(replica: &Replica) -> Self {
        replica.calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&replica.calls))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_says_whether_it_takes_calls_or_why_not() {
        let of = |value| {
            let pod: Pod = serde_json::from_value(value).unwrap();
            Replica::of(&pod, Arc::default())
        };
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let good = of(json!({ "metadata": { "name": "a" },
            "status": { "podIP": "10.244.1.2", "conditions": ready } }));
        assert!(good.takes_calls() && good.trouble.is_none());
        let leaving = of(
            json!({ "metadata": { "name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "podIP": "10.244.1.2", "conditions": ready } }),
        );
        assert!(!leaving.takes_calls());
        let missing = of(
            json!({ "metadata": { "name": "a" }, "status": { "containerStatuses": [{
            "name": "c", "ready": false, "restartCount": 0, "image": "i", "imageID": "",
            "state": { "waiting": { "reason": "ErrImageNeverPull", "message": "not there" } } }] } }),
        );
        assert_eq!(
            missing.trouble.as_deref(),
            Some("ErrImageNeverPull: not there")
        );
        let busy = Busy::with(&good);
        assert_eq!(good.calls.load(Ordering::Relaxed), 1);
        drop(busy);
        assert_eq!(good.calls.load(Ordering::Relaxed), 0);
    }
}
