//! `/metrics`: all agents as one target, by Prometheus's conventions for names and units.

use crate::feed::Feed;
use continuum_model::MetricsSample;
use prometheus::{CounterVec, Encoder, GaugeVec, Opts, Registry, TextEncoder};

pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const NODE_LABELS: [&str; 2] = ["node", "tier"];
const RUN_LABELS: [&str; 1] = ["application"];

struct Metric {
    kind: Kind,
    name: &'static str,
    help: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    /// Counts from zero again when its node starts again.
    Counter,
}

/// What is read of a sample.
type Figure = fn(&MetricsSample) -> f64;

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Gauge;
    Metric { kind, name, help }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Counter;
    Metric { kind, name, help }
}

const OF_SAMPLES: [(Metric, Figure); 10] = [
    (
        gauge(
            "continuum_node_cpu_usage_ratio",
            "CPU in use, of all cores of the node together.",
        ),
        |s| s.cpu_percent / 100.0,
    ),
    (
        gauge("continuum_node_memory_used_bytes", "Memory in use."),
        |s| s.memory_used_bytes as f64,
    ),
    (
        gauge("continuum_node_memory_size_bytes", "Memory of the node."),
        |s| s.memory_total_bytes as f64,
    ),
    (
        gauge(
            "continuum_agent_resident_memory_bytes",
            "Resident memory of the agent.",
        ),
        |s| s.agent_rss_bytes as f64,
    ),
    (
        gauge(
            "continuum_broker_resident_memory_bytes",
            "Resident memory of the MQTT broker; 0 where none runs.",
        ),
        |s| s.broker_rss_bytes as f64,
    ),
    (
        gauge(
            "continuum_workload_resident_memory_bytes",
            "Resident memory of the application's programs.",
        ),
        |s| s.workload_rss_bytes as f64,
    ),
    (
        counter(
            "continuum_node_network_receive_bytes_total",
            "Bytes received since boot.",
        ),
        |s| s.network_received_bytes as f64,
    ),
    (
        counter(
            "continuum_node_network_transmit_bytes_total",
            "Bytes sent since boot.",
        ),
        |s| s.network_sent_bytes as f64,
    ),
    (
        counter(
            "continuum_node_disk_read_bytes_total",
            "Bytes read from disks since boot.",
        ),
        |s| s.disk_read_bytes as f64,
    ),
    (
        counter(
            "continuum_node_disk_written_bytes_total",
            "Bytes written to disks since boot.",
        ),
        |s| s.disk_written_bytes as f64,
    ),
];

const NODE_UP: Metric = gauge("continuum_node_up", "1 while the node's agent is heard.");
const CLOCK_OFFSET: Metric = gauge(
    "continuum_node_clock_offset_seconds",
    "Clock of the node minus clock of the controller.",
);
const RUN_ANSWERED: Metric = counter(
    "continuum_run_answered_total",
    "Inputs of the run that were answered.",
);
const RUN_RUNNING: Metric = gauge("continuum_run_running", "1 while the run goes on.");

/// As Prometheus reads it. A node whose agent is silent has `up` 0 and no figures: an old value would look like a new one.
pub(crate) fn text(feed: &Feed) -> Result<String, prometheus::Error> {
    let registry = Registry::new();
    let (mut ups, mut clocks, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    for node in &feed.topology().nodes {
        let nodes = feed.nodes();
        let Some(history) = nodes.get(&node.name) else {
            continue;
        };
        let labels = [&*node.name, node.tier.name()];
        let sample = history.last.clone().filter(|_| history.silent.is_none());
        ups.push((labels, as_number(sample.is_some())));
        let clock = history.clock.map(|clock| clock.offset_ns as f64 / 1e9);
        clocks.extend(clock.map(|seconds| (labels, seconds)));
        samples.extend(sample.map(|sample| (labels, sample)));
    }
    NODE_UP.register(&registry, NODE_LABELS, ups)?;
    CLOCK_OFFSET.register(&registry, NODE_LABELS, clocks)?;
    for (metric, figure) in &OF_SAMPLES {
        let values = samples.iter();
        let values = values.map(|(labels, sample)| (*labels, figure(sample)));
        metric.register(&registry, NODE_LABELS, values)?;
    }
    // The one that goes on, or the last one.
    if let Some(run) = feed.status().run {
        let labels = [&*run.application];
        let is_running = as_number(run.stage.is_some());
        RUN_ANSWERED.register(&registry, RUN_LABELS, [(labels, run.done as f64)])?;
        RUN_RUNNING.register(&registry, RUN_LABELS, [(labels, is_running)])?;
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn as_number(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

impl Metric {
    /// Adds it with a value for each set of labels.
    fn register<'a, const N: usize>(
        &self,
        registry: &Registry,
        names: [&str; N],
        values: impl IntoIterator<Item = ([&'a str; N], f64)>,
    ) -> Result<(), prometheus::Error> {
        let options = Opts::new(self.name, self.help);
        match self.kind {
            Kind::Gauge => {
                let gauge = GaugeVec::new(options, &names)?;
                for (labels, value) in values {
                    gauge.with_label_values(&labels).set(value);
                }
                registry.register(Box::new(gauge))
            }
            Kind::Counter => {
                let counter = CounterVec::new(options, &names)?;
                for (labels, value) in values {
                    counter.with_label_values(&labels).inc_by(value);
                }
                registry.register(Box::new(counter))
            }
        }
    }
}
