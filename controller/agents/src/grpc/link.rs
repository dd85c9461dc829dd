//! Links, to the wire and back.

use super::super::types::{AppliedLink, AppliedTrace};
use continuum_model::{Distribution, Link, LinkClass, Peer, Trace, TraceProgress, TraceStep};
use continuum_proto as wire;

pub(super) fn to_link(class: &LinkClass) -> wire::LinkClass {
    let link = &class.link;
    let distribution = match link.jitter_distribution {
        Distribution::None => wire::JitterDistribution::None,
        Distribution::Normal => wire::JitterDistribution::Normal,
        Distribution::Pareto => wire::JitterDistribution::Pareto,
    };
    wire::LinkClass {
        name: class.name.clone(),
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        jitter_distribution: distribution.into(),
        jitter_reorders: link.jitter_reorders,
        loss_percent: link.loss_percent,
        loss_correlation_percent: link.loss_correlation_percent,
        corruption_percent: link.corruption_percent,
        duplication_percent: link.duplication_percent,
        reordering_percent: link.reordering_percent,
        rate_mbit: link.rate_mbit,
        queue_ms: link.queue_ms,
        overhead_ms: class.overhead_ms,
        peers: class.peers.iter().map(to_peer).collect(),
        trace: class.trace.as_deref().map(to_trace),
    }
}

fn to_peer(peer: &Peer) -> wire::Peer {
    wire::Peer {
        node: peer.node.clone(),
        prefixes: peer.prefixes.iter().map(ToString::to_string).collect(),
        mac: peer.mac.clone(),
        is_cut_off: peer.is_cut_off,
    }
}

fn to_trace(trace: &Trace) -> wire::Trace {
    let step = |step: &TraceStep| wire::TraceStep {
        at_ms: step.at_ms,
        rate_mbit: step.rate_mbit,
        latency_ms: step.latency_ms,
        loss_percent: step.loss_percent,
    };
    wire::Trace {
        name: trace.name.clone(),
        steps: trace.steps.iter().map(step).collect(),
        loop_after_ms: trace.loop_after_ms.unwrap_or(0),
        begin_ms: trace.begin_ms,
    }
}

pub(super) fn from_applied(class: wire::AppliedClass) -> AppliedLink {
    let link = class.link.unwrap_or_default();
    let progress = class.trace_progress.unwrap_or_default();
    let cut_off = link.peers.iter().filter(|peer| peer.is_cut_off);
    AppliedLink {
        link: Link {
            latency_ms: link.latency_ms,
            jitter_ms: link.jitter_ms,
            jitter_distribution: match link.jitter_distribution() {
                wire::JitterDistribution::None => Distribution::None,
                wire::JitterDistribution::Normal => Distribution::Normal,
                wire::JitterDistribution::Pareto => Distribution::Pareto,
            },
            jitter_reorders: link.jitter_reorders,
            loss_percent: link.loss_percent,
            loss_correlation_percent: link.loss_correlation_percent,
            corruption_percent: link.corruption_percent,
            duplication_percent: link.duplication_percent,
            reordering_percent: link.reordering_percent,
            rate_mbit: link.rate_mbit,
            queue_ms: link.queue_ms,
        },
        overhead_ms: link.overhead_ms,
        queue_limit_packets: class.queue_limit_packets,
        cut_off: cut_off.map(|peer| peer.node.clone()).collect(),
        trace: link.trace.map(|trace| AppliedTrace {
            name: trace.name,
            begin_ms: trace.begin_ms,
            loop_after_ms: Some(trace.loop_after_ms).filter(|ms| *ms > 0),
            progress: TraceProgress {
                steps: progress.steps,
                late_mean_ms: progress.late_mean_ms,
                late_max_ms: progress.late_max_ms,
                missed: progress.missed,
            },
        }),
        peers: link.peers.into_iter().map(|peer| peer.node).collect(),
        name: link.name,
    }
}
