//! Everything an agent has, shared by its services.

use crate::{
    broker::Broker,
    config::AgentConfig,
    logs::LogRing,
    metrics::MetricsRing,
    network::Network,
    store::ArtifactStore,
    workload::{CgroupBase, Workloads},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Shared by all services.
#[derive(Debug)]
pub struct AgentState {
    /// As written by the controller.
    pub config: AgentConfig,
    /// Last lines of agent and children.
    pub logs: Arc<LogRing>,
    /// Samples and events.
    pub metrics: Arc<MetricsRing>,
    /// Artifacts by digest.
    pub store: ArtifactStore,
    /// Emulated links.
    pub network: Network,
    /// MQTT broker.
    pub broker: Broker,
    /// Runs of applications.
    pub workloads: Arc<Workloads>,
    /// One installation at a time.
    pub install_lock: tokio::sync::Mutex<()>,
    /// When the controller was last heard of.
    pub contact: Contact,
    /// New certificates are in place: new connections are to use them.
    pub rekeyed: Notify,
    /// The controller asked the agent to end.
    pub shutdown: tokio_util::sync::CancellationToken,
}

impl AgentState {
    /// From configuration; control groups are prepared where this is a machine of its own.
    pub fn new(
        config: AgentConfig,
        logs: Arc<LogRing>,
        shutdown: tokio_util::sync::CancellationToken,
    ) -> Result<Self, crate::error::AgentError> {
        let metrics = Arc::new(MetricsRing::default());
        let cgroups = if config.own_machine {
            Some(CgroupBase::prepare()?)
        } else {
            None
        };
        Ok(Self {
            store: ArtifactStore::new(&config.data_dir),
            network: Network::new(config.listen.ip()),
            broker: Broker::new(config.clone(), Arc::clone(&logs), Arc::clone(&metrics)),
            workloads: Arc::new(Workloads::new(
                config.clone(),
                Arc::clone(&logs),
                Arc::clone(&metrics),
                cgroups,
            )),
            install_lock: tokio::sync::Mutex::new(()),
            contact: Contact::default(),
            rekeyed: Notify::new(),
            shutdown,
            config,
            logs,
            metrics,
        })
    }

    /// What this node can do, for the controller.
    pub fn capabilities(&self) -> Vec<&'static str> {
        let mut names = vec!["broker", "workload"];
        if self.config.own_machine {
            names.extend(["network", "install"]);
        }
        if self.workloads.enforces_limits() {
            names.push("cgroup");
        }
        names
    }
}

/// When the controller was last heard of, and how many of its streams are open.
#[derive(Debug, Clone, Default)]
pub struct Contact(Arc<ContactInner>);

#[derive(Debug)]
struct ContactInner {
    last: Mutex<Instant>,
    streams: AtomicUsize,
}

impl Default for ContactInner {
    fn default() -> Self {
        Self {
            last: Mutex::new(Instant::now()),
            streams: AtomicUsize::new(0),
        }
    }
}

impl Contact {
    /// A request came.
    pub fn touch(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A stream is open as long as the guard lives.
    pub fn open_stream(&self) -> StreamGuard {
        self.0.streams.fetch_add(1, Ordering::AcqRel);
        StreamGuard(self.clone())
    }

    /// Returns once nothing was heard for so long.
    pub async fn silent_for(&self, lease: Duration) {
        loop {
            let since = self
                .0
                .last
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .elapsed();
            let left = if self.0.streams.load(Ordering::Acquire) > 0 {
                lease
            } else if since >= lease {
                return;
            } else {
                lease.saturating_sub(since)
            };
            tokio::time::sleep(left.max(Duration::from_millis(50))).await;
        }
    }
}

/// See [`Contact::open_stream`].
#[derive(Debug)]
pub struct StreamGuard(Contact);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.touch();
        self.0.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_begins_when_the_last_stream_is_gone() {
        let contact = Contact::default();
        let guard = contact.open_stream();
        let lease = Duration::from_millis(100);
        let waiting = contact.silent_for(lease);
        assert!(
            tokio::time::timeout(Duration::from_millis(300), waiting)
                .await
                .is_err()
        );
        drop(guard);
        let begun = Instant::now();
        tokio::time::timeout(Duration::from_secs(5), contact.silent_for(lease))
            .await
            .unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(90));
    }
}
