//! Wire types to domain types and back.

use super::super::types::{AppliedLink, ArtifactSource};
use continuum_common::error::with_causes;
use continuum_model::{LinkClass, MetricsSample, NodeTime};
use continuum_proto as wire;
use tonic::Status;

/// Status in words, with the transport's own cause.
pub(super) fn explain(status: &Status) -> String {
    let source = std::error::Error::source(status);
    let text = with_causes(status.message().to_owned(), source);
    if text.is_empty() {
        format!("{:?}", status.code())
    } else if source.is_some() {
        // Not what an agent said: nothing came from it.
        format!(
            "its agent cannot be reached ({text}); `continuum-ctl status` says whether its machine runs"
        )
    } else {
        text
    }
}

pub(super) fn to_artifact(a: &ArtifactSource) -> wire::Artifact {
    wire::Artifact {
        name: a.name.clone(),
        sha256: a.sha256.clone(),
        size_bytes: a.size_bytes,
        image: a.image.clone().unwrap_or_default(),
    }
}

pub(super) fn to_link(class: &LinkClass) -> wire::LinkClass {
    wire::LinkClass {
        name: class.name.clone(),
        latency_ms: class.latency_ms,
        jitter_ms: class.jitter_ms,
        loss_percent: class.loss_percent,
        rate_mbit: class.rate_mbit,
        overhead_ms: class.overhead_ms,
        peers: class
            .peers
            .iter()
            .map(|p| wire::Peer {
                node: p.node.clone(),
                prefixes: p.prefixes.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }
}

pub(super) fn from_applied(class: wire::AppliedClass) -> AppliedLink {
    let link = class.link.unwrap_or_default();
    AppliedLink {
        name: link.name,
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        loss_percent: link.loss_percent,
        rate_mbit: link.rate_mbit,
        overhead_ms: link.overhead_ms,
        queue_limit_packets: class.queue_limit_packets,
        peers: link.peers.into_iter().map(|p| p.node).collect(),
    }
}

pub(super) fn from_sample(s: wire::MetricsSample) -> MetricsSample {
    MetricsSample {
        seq: s.seq,
        time_unix_ns: NodeTime::from_unix_ns(s.time_unix_ns),
        cpu_percent: s.cpu_percent,
        memory_used_bytes: s.memory_used_bytes,
        memory_total_bytes: s.memory_total_bytes,
        network_received_bytes: s.network_received_bytes,
        network_sent_bytes: s.network_sent_bytes,
        disk_read_bytes: s.disk_read_bytes,
        disk_written_bytes: s.disk_written_bytes,
        agent_rss_bytes: s.agent_rss_bytes,
        broker_rss_bytes: s.broker_rss_bytes,
        workload_rss_bytes: s.workload_rss_bytes,
    }
}
