//! The embedded broker: rumqttd in a process of its own.
//!
//! Segments are small because rumqttd keeps every message until its segment is full, per topic.

use super::{BrokerSpec, nodelay::switch_off_delay, supervise::child_argv};
use crate::{config::AgentConfig, error::AgentError};
use rumqttd::{Broker, Config, meters::MetersLink};
use serde::{Deserialize, Serialize};
use std::{io::Write, net::SocketAddr};

/// Connections that rumqttd allows beyond those admitted: it panics when its own limit is passed,
/// and connections that are just closing still count.
const SPARE_CONNECTIONS: u32 = 64;

/// What the child is told, as JSON on its command line.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    listen: SocketAddr,
    max_connections: u32,
    max_payload_bytes: u32,
}

/// Counters as rumqttd keeps them; one JSON line a second on the child's standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connected clients.
    pub connections: u64,
    /// Messages taken in since the start.
    pub publishes: u64,
    /// Messages that could not be stored.
    pub failed_publishes: u64,
}

pub(super) fn argv(config: &AgentConfig, spec: &BrokerSpec) -> Result<Vec<String>, AgentError> {
    let settings = Settings {
        listen: spec.listen,
        max_connections: spec.max_connections,
        max_payload_bytes: spec.max_payload_bytes,
    };
    let json = serde_json::to_string(&settings)
        .map_err(|e| AgentError::Invalid(format!("broker settings: {e}")))?;
    let mut argv = child_argv(config)?;
    argv.extend([
        config.helper()?.display().to_string(),
        "broker".into(),
        json,
    ]);
    Ok(argv)
}

/// rumqttd's settings have private fields: they can only be made from text.
/// Its timer for meters panics without an interval for alerts, which nobody reads.
fn configuration(settings: &Settings) -> String {
    format!(
        "id = 0\n\
         [router]\n\
         id = 0\n\
         max_connections = {}\n\
         max_outgoing_packet_count = 200\n\
         max_segment_size = 10485760\n\
         max_segment_count = 2\n\
         [v4.1]\n\
         name = \"v4\"\n\
         listen = \"{}\"\n\
         next_connection_delay_ms = 1\n\
         [v4.1.connections]\n\
         connection_timeout_ms = 10000\n\
         max_payload_size = {}\n\
         max_inflight_count = 500\n\
         dynamic_filters = true\n\
         [metrics.meters]\n\
         push_interval = 1\n\
         [metrics.alerts]\n\
         push_interval = 3600\n",
        settings.max_connections + SPARE_CONNECTIONS,
        settings.listen,
        // The limit is on the whole packet; topic and header come on top of the payload.
        settings.max_payload_bytes + 1024,
    )
}

/// Runs until killed.
pub fn run(settings: &str) -> Result<(), AgentError> {
    let settings: Settings = serde_json::from_str(settings)
        .map_err(|e| AgentError::Invalid(format!("broker settings: {e}")))?;
    let config: Config =
        toml::from_str(&configuration(&settings)).map_err(|source| AgentError::Config {
            path: "rumqttd settings".into(),
            source: Box::new(source),
        })?;
    let mut broker = Broker::new(config);
    let meters = broker
        .meters()
        .map_err(|e| AgentError::Invalid(format!("rumqttd gives no meters: {e}")))?;
    std::thread::Builder::new()
        .name("meters".into())
        .spawn(move || report(&meters))
        .map_err(|source| AgentError::Start {
            program: "meters thread".into(),
            source,
        })?;
    let listen = settings.listen;
    std::thread::Builder::new()
        .name("nodelay".into())
        .spawn(move || switch_off_delay(listen))
        .map_err(|source| AgentError::Start {
            program: "nodelay thread".into(),
            source,
        })?;
    broker.start().map_err(|e| AgentError::Serve {
        listen: settings.listen,
        source: e.into(),
    })
}

#[expect(
    clippy::print_stdout,
    reason = "standard output of this child is read by the agent"
)]
fn report(meters: &MetersLink) {
    let mut counters = Counters::default();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    // `recv` would not wait; `next` does until the router sends its meters: once a second, if there were messages.
    while let Ok(batch) = runtime.block_on(meters.next()) {
        for meter in batch {
            if let rumqttd::Meter::Router(_, router) = meter {
                // Messages are counted anew after each report, connections are not.
                counters.connections = router.total_connections as u64;
                counters.publishes += router.total_publishes as u64;
                counters.failed_publishes += router.failed_publishes as u64;
            }
        }
        if let Ok(line) = serde_json::to_string(&counters) {
            println!("{line}");
            if std::io::stdout().flush().is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rumqttd_accepts_the_settings() {
        let settings = Settings {
            listen: "127.0.0.1:1883".parse().unwrap(),
            max_connections: 1000,
            max_payload_bytes: 1024 * 1024,
        };
        let config: Config = toml::from_str(&configuration(&settings)).unwrap();
        assert_eq!(config.router.max_connections, 1064);
        assert_eq!(
            config.v4.unwrap()["1"].connections.max_payload_size,
            1024 * 1024 + 1024
        );
    }
}
