//! `/metrics`: all agents as one target, by Prometheus's conventions for names and units.

use crate::{feed::Feed, view::NodeView};
use continuum_model::MetricsSample;
use prometheus::{CounterVec, Encoder, GaugeVec, Opts, Registry, TextEncoder, core::Collector};

pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const LABELS: [&str; 2] = ["node", "tier"];

/// A figure of a sample, with its name and its help.
type Figure = (&'static str, &'static str, fn(&MetricsSample) -> f64);

const GAUGES: [Figure; 6] = [
    (
        "continuum_node_cpu_usage_ratio",
        "CPU in use, of all cores of the node together.",
        |s| s.cpu_percent / 100.0,
    ),
    ("continuum_node_memory_used_bytes", "Memory in use.", |s| {
        s.memory_used_bytes as f64
    }),
    (
        "continuum_node_memory_size_bytes",
        "Memory of the node.",
        |s| s.memory_total_bytes as f64,
    ),
    (
        "continuum_agent_resident_memory_bytes",
        "Resident memory of the agent.",
        |s| s.agent_rss_bytes as f64,
    ),
    (
        "continuum_broker_resident_memory_bytes",
        "Resident memory of the MQTT broker; 0 where none runs.",
        |s| s.broker_rss_bytes as f64,
    ),
    (
        "continuum_workload_resident_memory_bytes",
        "Resident memory of the application's programs.",
        |s| s.workload_rss_bytes as f64,
    ),
];

const COUNTERS: [Figure; 4] = [
    (
        "continuum_node_network_receive_bytes_total",
        "Bytes received since boot.",
        |s| s.network_received_bytes as f64,
    ),
    (
        "continuum_node_network_transmit_bytes_total",
        "Bytes sent since boot.",
        |s| s.network_sent_bytes as f64,
    ),
    (
        "continuum_node_disk_read_bytes_total",
        "Bytes read from disks since boot.",
        |s| s.disk_read_bytes as f64,
    ),
    (
        "continuum_node_disk_written_bytes_total",
        "Bytes written to disks since boot.",
        |s| s.disk_written_bytes as f64,
    ),
];

/// As Prometheus reads it. A node whose agent is silent has `up` 0 and no figures: an old value would look like a new one.
pub(crate) fn text(feed: &Feed) -> Result<String, prometheus::Error> {
    let registry = Registry::new();
    let up = gauge(
        &registry,
        "continuum_node_up",
        "1 while the node's agent is heard.",
        &LABELS,
    )?;
    let clock = gauge(
        &registry,
        "continuum_node_clock_offset_seconds",
        "Clock of the node minus clock of the controller.",
        &LABELS,
    )?;
    let mut seen: Vec<(&NodeView, MetricsSample)> = Vec::new();
    for node in &feed.topology().nodes {
        let nodes = feed.nodes();
        let Some(history) = nodes.get(&node.name) else {
            continue;
        };
        let labels = labels(node);
        let sample = history.last.clone().filter(|_| history.silent.is_none());
        up.with_label_values(&labels)
            .set(if sample.is_some() { 1.0 } else { 0.0 });
        if let Some(offset) = history.clock {
            clock
                .with_label_values(&labels)
                .set(offset.offset_ns as f64 / 1e9);
        }
        seen.extend(sample.map(|sample| (node, sample)));
    }
    for (name, help, figure) in GAUGES {
        let all = gauge(&registry, name, help, &LABELS)?;
        for (node, sample) in &seen {
            all.with_label_values(&labels(node)).set(figure(sample));
        }
    }
    for (name, help, figure) in COUNTERS {
        let all = CounterVec::new(Opts::new(name, help), &LABELS)?;
        register(&registry, &all)?;
        for (node, sample) in &seen {
            all.with_label_values(&labels(node)).inc_by(figure(sample));
        }
    }
    run(feed, &registry)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The run that goes on, or the last one.
fn run(feed: &Feed, registry: &Registry) -> Result<(), prometheus::Error> {
    let Some(run) = feed.status().run else {
        return Ok(());
    };
    let labels = [&*run.application];
    let answered = CounterVec::new(
        Opts::new(
            "continuum_run_answered_total",
            "Inputs of the run that were answered.",
        ),
        &["application"],
    )?;
    register(registry, &answered)?;
    answered.with_label_values(&labels).inc_by(run.done as f64);
    let running = gauge(
        registry,
        "continuum_run_running",
        "1 while the run goes on.",
        &["application"],
    )?;
    running
        .with_label_values(&labels)
        .set(if run.stage.is_some() { 1.0 } else { 0.0 });
    Ok(())
}

fn labels(node: &NodeView) -> [&str; 2] {
    [&node.name, node.tier.name()]
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
    register(registry, &gauge)?;
    Ok(gauge)
}

fn register(
    registry: &Registry,
    collector: &(impl Collector + Clone + 'static),
) -> Result<(), prometheus::Error> {
    registry.register(Box::new(collector.clone()))
}
