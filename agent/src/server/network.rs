//! Service `Network`.

use crate::{
    error::AgentError,
    network::{self, AppliedClass, LinkClass, Peer},
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
        name: link.name,
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        loss_percent: link.loss_percent,
        rate_mbit: link.rate_mbit,
        overhead_ms: link.overhead_ms,
        peers: link.peers.into_iter().map(peer).collect::<Result<_, _>>()?,
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
    })
}

fn to_wire(class: AppliedClass) -> wire::AppliedClass {
    let link = class.link;
    wire::AppliedClass {
        link: Some(wire::LinkClass {
            name: link.name,
            latency_ms: link.latency_ms,
            jitter_ms: link.jitter_ms,
            loss_percent: link.loss_percent,
            rate_mbit: link.rate_mbit,
            overhead_ms: link.overhead_ms,
            peers: link
                .peers
                .into_iter()
                .map(|p| wire::Peer {
                    node: p.node,
                    prefixes: p.prefixes.iter().map(ToString::to_string).collect(),
                })
                .collect(),
        }),
        queue_limit_packets: class.queue_limit_packets,
    }
}

#[tonic::async_trait]
impl wire::network_server::Network for Service {
    async fn apply(
        &self,
        request: Request<wire::ApplyNetworkRequest>,
    ) -> Result<Response<wire::ApplyNetworkResponse>, Status> {
        self.check()?;
        let classes = request.into_inner().classes;
        let classes = classes
            .into_iter()
            .map(from_wire)
            .collect::<Result<_, _>>()?;
        let state = Arc::clone(&self.0);
        let (device, classes) = whole(async move { state.network.apply(classes).await }).await?;
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
        _request: Request<wire::ShowNetworkRequest>,
    ) -> Result<Response<wire::ShowNetworkResponse>, Status> {
        self.check()?;
        let (device, tc_text) = self.0.network.tc_text().await?;
        Ok(Response::new(wire::ShowNetworkResponse {
            device,
            classes: self.0.network.applied().into_iter().map(to_wire).collect(),
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

    async fn probe(
        &self,
        request: Request<wire::ProbeRequest>,
    ) -> Result<Response<wire::ProbeResponse>, Status> {
        let request = request.into_inner();
        let address = request.address.parse().map_err(|_| {
            AgentError::Invalid(format!(
                "`{}` is not an address",
                request.address.escape_debug()
            ))
        })?;
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
