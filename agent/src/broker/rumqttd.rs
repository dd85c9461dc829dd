//! The embedded broker: rumqttd in a process of its own.
//!
//! Segments are small because rumqttd keeps every message until its segment is full, per topic.

use super::{BrokerSpec, gate, nodelay::switch_off_delay, supervise::child_argv};
use crate::{config::AgentConfig, error::AgentError};
use rumqttd::{Broker, Config, meters::MetersLink};
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// Connections that rumqttd allows beyond those admitted: it panics when its own limit is passed,
/// and connections that are just closing still count.
const SPARE_CONNECTIONS: u32 = 64;

/// rumqttd keeps two of them for each filter.
pub(super) const SEGMENT_BYTES: u64 = 10 << 20;
/// Messages may take a quarter of the machine's memory, within these bounds.
const LEAST_MEMORY: u64 = 256 << 20;
const MOST_MEMORY: u64 = 1 << 30;

/// What the child is told, as JSON on its command line.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    listen: SocketAddr,
    max_connections: u32,
    max_payload_bytes: u32,
    /// For the messages of all topics; by the machine's memory if it is not said.
    #[serde(default)]
    memory_bytes: Option<u64>,
}

/// Counters as rumqttd keeps them; one JSON line a second on the child's standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub connections: u64,
    /// Messages taken in since the start.
    pub publishes: u64,
    /// Messages that could not be stored.
    pub(crate) failed_publishes: u64,
}

pub(super) fn argv(config: &AgentConfig, spec: &BrokerSpec) -> Result<Vec<String>, AgentError> {
    let settings = Settings {
        listen: spec.listen,
        max_connections: spec.max_connections,
        max_payload_bytes: spec.max_payload_bytes,
        memory_bytes: None,
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
fn configuration(settings: &Settings, v4: SocketAddr, v5: SocketAddr) -> String {
    let connections = format!(
        "connection_timeout_ms = 10000\n\
         max_payload_size = {}\n\
         max_inflight_count = 500\n\
         dynamic_filters = true\n",
        settings.max_packet_bytes()
    );
    format!(
        "id = 0\n\
         [router]\n\
         id = 0\n\
         max_connections = {}\n\
         max_outgoing_packet_count = 200\n\
         max_segment_size = {SEGMENT_BYTES}\n\
         max_segment_count = 2\n\
         [v4.1]\n\
         name = \"v4\"\n\
         listen = \"{v4}\"\n\
         next_connection_delay_ms = 1\n\
         [v4.1.connections]\n\
         {connections}\
         [v5.1]\n\
         name = \"v5\"\n\
         listen = \"{v5}\"\n\
         next_connection_delay_ms = 1\n\
         [v5.1.connections]\n\
         {connections}\
         [metrics.meters]\n\
         push_interval = 1\n\
         [metrics.alerts]\n\
         push_interval = 3600\n",
        settings.max_connections + SPARE_CONNECTIONS,
    )
}

/// Runs until killed.
pub fn run(settings: &str) -> Result<(), AgentError> {
    let settings: Settings = serde_json::from_str(settings)
        .map_err(|e| AgentError::Invalid(format!("broker settings: {e}")))?;
    // First of all: it is what somebody else may have.
    let listener = gate::listener(settings.listen)?;
    let (v4, v5) = inner_addresses(settings.listen)?;
    let config: Config =
        toml::from_str(&configuration(&settings, v4, v5)).map_err(|source| AgentError::Config {
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
        .map_err(AgentError::start("meters thread"))?;
    let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let started = thread.spawn(work).map(|_| ());
        started.map_err(AgentError::start(format!("thread {name}")))
    };
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    start(
        "rumqttd",
        Box::new(move || {
            let why = match broker.start() {
                Ok(()) => "it ended".to_owned(),
                Err(error) => error.to_string(),
            };
            ended.send(why).ok();
        }),
    )?;
    // Until it listens, clients wait in front of the gate.
    [v4, v5].into_iter().for_each(switch_off_delay);
    let gate = gate::Settings {
        listen: settings.listen,
        max_connections: settings.max_connections,
        max_packet_bytes: settings.max_packet_bytes(),
        memory_bytes: settings.memory_bytes.unwrap_or_else(memory_for_messages),
        v4,
        v5,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(AgentError::start("runtime"))?;
    runtime.block_on(async {
        tokio::select! {
            served = gate::serve(listener, gate) => served,
            // Without it the gate leads nowhere; whoever started this process starts it again.
            why = has_ended => Err(AgentError::Invalid(format!("rumqttd: {}", why.unwrap_or_default()))),
        }
    })
}

impl Settings {
    /// rumqttd's limit is on the whole packet; topic and header come on top of the payload.
    fn max_packet_bytes(&self) -> usize {
        self.max_payload_bytes as usize + 1024
    }
}

/// Where rumqttd listens for the gate, and for nobody else.
fn inner_addresses(listen: SocketAddr) -> Result<(SocketAddr, SocketAddr), AgentError> {
    let error = |source: std::io::Error| AgentError::Serve {
        listen,
        source: source.into(),
    };
    // Both at once, so that they differ.
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(error);
    let (v4, v5) = (bind()?, bind()?);
    Ok((
        v4.local_addr().map_err(error)?,
        v5.local_addr().map_err(error)?,
    ))
}

fn memory_for_messages() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib = total.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let quarter = kib.map_or(0, |kib| (kib << 10) / 4);
    quarter.clamp(LEAST_MEMORY, MOST_MEMORY)
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
            memory_bytes: None,
        };
        let [v4, v5] = ["127.0.0.1:2", "127.0.0.1:3"].map(|a| a.parse().unwrap());
        let config: Config = toml::from_str(&configuration(&settings, v4, v5)).unwrap();
        assert_eq!(config.router.max_connections, 1064);
        for (servers, listen) in [(config.v4, v4), (config.v5, v5)] {
            let server = &servers.unwrap()["1"];
            assert_eq!(server.listen, listen);
            assert_eq!(server.connections.max_payload_size, 1024 * 1024 + 1024);
        }
    }
}
