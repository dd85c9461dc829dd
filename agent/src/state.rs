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

/// Shared by all services.
#[derive(Debug)]
pub(crate) struct AgentState {
    /// As written by the controller.
    pub config: AgentConfig,
    /// Last lines of agent and children.
    pub logs: Arc<LogRing>,
    pub metrics: Arc<MetricsRing>,
    pub store: ArtifactStore,
    pub network: Network,
    pub broker: Broker,
    pub workloads: Arc<Workloads>,
    /// One installation at a time.
    pub(crate) install_lock: tokio::sync::Mutex<()>,
    /// When the controller was last heard of.
    pub(crate) contact: Contact,
    /// The controller asked the agent to end.
    pub shutdown: tokio_util::sync::CancellationToken,
}

impl AgentState {
    /// From configuration; control groups are prepared where this is a machine of its own.
    pub(crate) fn new(
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
            network: Network::new(config.listen.ip(), &config.data_dir),
            broker: Broker::new(config.clone(), Arc::clone(&logs), Arc::clone(&metrics)),
            workloads: Arc::new(Workloads::new(
                config.clone(),
                Arc::clone(&logs),
                Arc::clone(&metrics),
                cgroups,
            )),
            install_lock: tokio::sync::Mutex::new(()),
            contact: Contact::default(),
            shutdown,
            config,
            logs,
            metrics,
        })
    }

    /// What this node can do, for the controller.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        let mut names = vec!["broker", "workload", "exec-stdin"];
        if self.config.own_machine {
            names.extend(["network", "install", "clock"]);
        }
        if self.workloads.enforces_limits() {
            names.push("cgroup");
        }
        names
    }
}

/// When the controller was last heard of, and how many of its streams are open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contact(Arc<ContactInner>);

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
    pub(crate) fn touch(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A stream is open as long as the guard lives.
    pub(crate) fn open_stream(&self) -> StreamGuard {
        self.0.streams.fetch_add(1, Ordering::AcqRel);
        StreamGuard(self.clone())
    }

    /// Returns once nothing was heard for so long.
    pub(crate) async fn silent_for(&self, lease: Duration) {
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
pub(crate) struct StreamGuard(Contact);

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
