//! Wire types to domain types and back.

use super::super::types::ArtifactSource;
use continuum_common::error::with_causes;
use continuum_model::{MetricsSample, NodeTime};
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
