//! Service `Network`.

use super::convert::address;
use crate::{
    error::AgentError,
    network::{self, AppliedClass, Distribution, LinkClass, Links, Peer, Step, Trace},
    state::AgentState,
};
use continuum_proto as wire;
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use tonic::{Request, Response, Status};

pub(super) struct Service(pub(super) Arc<AgentState>);

impl Service {
    fn check(&self) -> Result<(), AgentError> {
        if self.0.config.own_machine {
            return Ok(());
        }
        Err(AgentError::Unsupported {
            doing: "emulate links",
            why: "it shares its network with others",
        })
    }
}

/// To its end, even when its caller goes away: what is remembered must be what the kernel has.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, AgentError>> + Send + 'static,
) -> Result<T, AgentError> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn from_wire(link: wire::LinkClass) -> Result<LinkClass, AgentError> {
    Ok(LinkClass {
        jitter_distribution: match link.jitter_distribution() {
            wire::JitterDistribution::None => Distribution::None,
            wire::JitterDistribution::Normal => Distribution::Normal,
            wire::JitterDistribution::Pareto => Distribution::Pareto,
        },
        name: link.name,
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        jitter_reorders: link.jitter_reorders,
        loss_percent: link.loss_percent,
        loss_correlation_percent: link.loss_correlation_percent,
        corruption_percent: link.corruption_percent,
        duplication_percent: link.duplication_percent,
        reordering_percent: link.reordering_percent,
        rate_mbit: link.rate_mbit,
        queue_ms: link.queue_ms,
        overhead_ms: link.overhead_ms,
        peers: link.peers.into_iter().map(peer).collect::<Result<_, _>>()?,
        trace: link.trace.map(trace_from_wire),
    })
}

fn peer(peer: wire::Peer) -> Result<Peer, AgentError> {
    let prefix = |text: &String| {
        let address = || text.parse().map(|address: Ipv4Addr| address.into());
        text.parse().or_else(|_| address()).map_err(|_| {
            AgentError::Invalid(format!(
                "`{}` of peer `{}` is not an IPv4 prefix",
                text.escape_debug(),
                peer.node
            ))
        })
    };
    Ok(Peer {
        prefixes: peer.prefixes.iter().map(prefix).collect::<Result<_, _>>()?,
        node: peer.node,
        mac: peer.mac,
        is_cut_off: peer.is_cut_off,
    })
}

fn trace_from_wire(trace: wire::Trace) -> Trace {
    let step = |step: wire::TraceStep| Step {
        at_ms: step.at_ms,
        rate_mbit: step.rate_mbit,
        latency_ms: step.latency_ms,
        loss_percent: step.loss_percent,
    };
    Trace {
        name: trace.name,
        steps: trace.steps.into_iter().map(step).collect(),
        loop_after_ms: trace.loop_after_ms,
        begin_ms: trace.begin_ms,
    }
}

/// Without the steps of its trace: who asks has them.
fn to_wire(class: AppliedClass) -> wire::AppliedClass {
    let link = class.link;
    let peer = |peer: Peer| wire::Peer {
        node: peer.node,
        prefixes: peer.prefixes.iter().map(ToString::to_string).collect(),
        mac: peer.mac,
        is_cut_off: peer.is_cut_off,
    };
    let distribution = match link.jitter_distribution {
        Distribution::None => wire::JitterDistribution::None,
        Distribution::Normal => wire::JitterDistribution::Normal,
        Distribution::Pareto => wire::JitterDistribution::Pareto,
    };
    wire::AppliedClass {
        link: Some(wire::LinkClass {
            name: link.name,
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
            overhead_ms: link.overhead_ms,
            peers: link.peers.into_iter().map(peer).collect(),
            trace: link.trace.map(|trace| wire::Trace {
                name: trace.name,
                steps: Vec::new(),
                loop_after_ms: trace.loop_after_ms,
                begin_ms: trace.begin_ms,
            }),
        }),
        queue_limit_packets: class.queue_limit_packets,
        trace_progress: class.progress.map(|progress| wire::TraceProgress {
            steps: progress.steps,
            late_mean_ms: progress.late_mean_ms(),
            late_max_ms: progress.late_max_ms,
            missed: progress.missed,
        }),
    }
}

#[tonic::async_trait]
impl wire::network_server::Network for Service {
    async fn apply(
        &self,
        request: Request<wire::ApplyNetworkRequest>,
    ) -> Result<Response<wire::ApplyNetworkResponse>, Status> {
        self.check()?;
        let request = request.into_inner();
        let classes = request.classes.into_iter().map(from_wire);
        let links = Links {
            classes: classes.collect::<Result<_, _>>()?,
            mtu_bytes: request.mtu_bytes,
        };
        let state = Arc::clone(&self.0);
        let (device, classes) = whole(async move { state.network.apply(links).await }).await?;
        self.0.metrics.event(
            "network",
            format!("{} link classes on {device}", classes.len()),
        );
        Ok(Response::new(wire::ApplyNetworkResponse {
            device,
            classes: classes.into_iter().map(to_wire).collect(),
        }))
    }

    async fn show(
        &self,
        request: Request<wire::ShowNetworkRequest>,
    ) -> Result<Response<wire::ShowNetworkResponse>, Status> {
        self.check()?;
        let (device, tc_text) = if request.into_inner().with_tc_text {
            self.0.network.tc_text().await?
        } else {
            (String::new(), String::new())
        };
        let classes = self.0.network.in_force().await?;
        Ok(Response::new(wire::ShowNetworkResponse {
            device,
            classes: classes.into_iter().map(to_wire).collect(),
            tc_text,
        }))
    }

    async fn set_link(
        &self,
        request: Request<wire::SetLinkRequest>,
    ) -> Result<Response<wire::SetLinkResponse>, Status> {
        self.check()?;
        let link = from_wire(request.into_inner().link.unwrap_or_default())?;
        let state = Arc::clone(&self.0);
        let applied = whole(async move { state.network.set(link).await }).await?;
        let LinkClass {
            name,
            latency_ms,
            jitter_ms,
            loss_percent,
            rate_mbit,
            ..
        } = &applied.link;
        let text = format!(
            "link to {name}: {latency_ms} ms ± {jitter_ms} ms, {loss_percent} % lost, {rate_mbit} Mbit/s"
        );
        self.0.metrics.event("network", text);
        Ok(Response::new(wire::SetLinkResponse {
            applied: Some(to_wire(applied)),
        }))
    }

    async fn start_traces(
        &self,
        _request: Request<wire::StartTracesRequest>,
    ) -> Result<Response<wire::StartTracesResponse>, Status> {
        self.check()?;
        let state = Arc::clone(&self.0);
        let traces = whole(async move { Ok(state.network.start_traces().await) }).await?;
        if traces > 0 {
            let text = format!("{traces} traces of links begin");
            self.0.metrics.event("network", text);
        }
        Ok(Response::new(wire::StartTracesResponse { traces }))
    }

    async fn probe(
        &self,
        request: Request<wire::ProbeRequest>,
    ) -> Result<Response<wire::ProbeResponse>, Status> {
        let request = request.into_inner();
        let address = address(&request.address)?;
        let interval = Duration::from_millis(u64::from(request.interval_ms));
        let probe = network::probe(address, request.count, interval).await?;
        let lost = probe.sent.saturating_sub(probe.rtt_ms.len() as u32);
        Ok(Response::new(wire::ProbeResponse {
            rtt_ms: probe.rtt_ms,
            sent: probe.sent,
            lost,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_have_prefixes_and_nothing_else() {
        let read = |text: &str| {
            peer(wire::Peer {
                node: "edge0".into(),
                prefixes: vec![text.into()],
                mac: "52:54:00:00:00:01".into(),
                is_cut_off: false,
            })
        };
        for bad in ["10.0.0.1/33", "x", "10.0.0.1\nqdisc del dev lo root", "::1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for good in ["10.0.0.1/32", "10.0.0.1"] {
            let prefixes = read(good).unwrap().prefixes;
            assert_eq!(prefixes, ["10.0.0.1/32".parse().unwrap()], "{good}");
        }
    }
}
