//! The node's MQTT broker: a supervised child, started again when it dies.
//!
//! Its own process because the embedded broker panics above its connection limit and never gives memory back:
//! neither may take the agent along. Admission is limited in front of it, in the kernel (`admission.rs`) and in its own
//! process (`gate`). What is different from mosquitto all the same stands in `docs/brokers.md`.

mod admission;
mod gate;
mod mosquitto;
mod nodelay;
pub mod rumqttd;
mod supervise;

use crate::{config::AgentConfig, error::AgentError, logs::LogRing, metrics::MetricsRing};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSpec {
    /// `rumqttd` or `mosquitto`.
    pub backend: Backend,
    pub listen: SocketAddr,
    /// Connections admitted; above this they are reset before the broker sees them.
    pub max_connections: u32,
    pub max_payload_bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Embedded in the agent's own program.
    Rumqttd,
    /// Eclipse mosquitto, installed by the `mqtt` component.
    Mosquitto,
}

impl Backend {
    pub(crate) const ALL: [Self; 2] = [Self::Rumqttd, Self::Mosquitto];

    /// Name on the wire and in configs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rumqttd => "rumqttd",
            Self::Mosquitto => "mosquitto",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Self, AgentError> {
        Self::ALL
            .into_iter()
            .find(|b| b.name() == name)
            .ok_or_else(|| AgentError::NotFound {
                what: "MQTT backend",
                name: name.to_owned(),
                known: Self::ALL.iter().map(|b| b.name().to_owned()).collect(),
            })
    }
}

/// How it is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerStats {
    pub spec: Option<BrokerSpec>,
    /// Process id while it runs.
    pub pid: Option<u32>,
    /// Times it had to be started again.
    pub restarts: u32,
    /// As the broker itself counts.
    pub counters: Option<rumqttd::Counters>,
}

#[derive(Debug)]
pub struct Broker {
    config: AgentConfig,
    logs: Arc<LogRing>,
    metrics: Arc<MetricsRing>,
    // One start or stop at a time.
    running: tokio::sync::Mutex<Option<supervise::Supervised>>,
    stats: Arc<Mutex<BrokerStats>>,
}

impl Broker {
    /// Not started yet.
    pub fn new(config: AgentConfig, logs: Arc<LogRing>, metrics: Arc<MetricsRing>) -> Self {
        Self {
            config,
            logs,
            metrics,
            running: tokio::sync::Mutex::new(None),
            stats: Arc::default(),
        }
    }

    /// Starts it and returns once it accepts connections. The same spec again changes nothing; another one restarts it.
    pub async fn start(&self, spec: BrokerSpec) -> Result<BrokerStats, AgentError> {
        let mut running = self.running.lock().await;
        if let Some(supervised) = running.as_ref() {
            if supervised.spec == spec {
                return Ok(self.stats());
            }
            if let Some(old) = running.take() {
                old.stop().await;
            }
        }
        let argv = match spec.backend {
            Backend::Rumqttd => rumqttd::argv(&self.config, &spec)?,
            Backend::Mosquitto => mosquitto::argv(&self.config, &spec).await?,
        };
        if self.config.own_machine {
            admission::limit(spec.listen.port(), spec.max_connections).await?;
        }
        *self.lock() = BrokerStats {
            spec: Some(spec.clone()),
            ..BrokerStats::default()
        };
        let started = supervise::start(
            spec,
            argv,
            Arc::clone(&self.logs),
            Arc::clone(&self.metrics),
            Arc::clone(&self.stats),
        );
        match started.await {
            Ok(supervised) => *running = Some(supervised),
            Err(error) => {
                // Who asks is not told of a broker that there is not.
                self.forget().await;
                return Err(error);
            }
        }
        Ok(self.stats())
    }

    /// Stops it; one that does not run is fine.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        if let Some(supervised) = running.take() {
            supervised.stop().await;
            self.forget().await;
        }
    }

    async fn forget(&self) {
        *self.lock() = BrokerStats::default();
        if self.config.own_machine {
            admission::lift().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BrokerStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is doing.
    pub fn stats(&self) -> BrokerStats {
        self.lock().clone()
    }

    /// Process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().pid
    }
}

/// Where the broker's own files lie.
fn directory(config: &AgentConfig) -> PathBuf {
    config.data_dir.join("broker")
}
