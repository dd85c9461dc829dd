//! Kubernetes by kubeadm: a control plane, and workers that join it. Both may be asked for at once: the cluster's CA and
//! the join token come from the controller, so a worker waits for the API server instead of the other way round.
//!
//! ```text
//! both            programs ─ kernel ─ network of pods ─ images ─ kubelet's unit
//! control plane   CA ─ kubeadm init        worker   kubeadm join
//! ```

mod control_plane;
pub(super) mod kubeadm_config;
pub(super) mod node;
mod routes;
mod worker;

use super::{InstallSpec, unit};
use crate::{
    error::AgentError,
    machine::{Machine, Policy},
    system::System,
};
use std::time::Duration;

pub(crate) use control_plane::ControlPlane;
pub(crate) use routes::PodRoutes;
pub(crate) use worker::Worker;

/// kubeadm gives up by itself when its patience is over; this is for one that does not.
const BEYOND_PATIENCE: Duration = Duration::from_mins(2);
const RESET_DEADLINE: Duration = Duration::from_mins(14);
const SHORT: Duration = Duration::from_mins(2);
const CA: &str = "/etc/kubernetes/pki/ca.crt";
/// Written last: without it a half-made node is reset first.
const DONE: &str = "/etc/kubernetes/continuum-done";

/// What [`Settings`] are read from.
const OPTIONS: [&str; 11] = [
    "node",
    "address",
    "control_plane",
    "version",
    "etcd_tag",
    "coredns_tag",
    "token",
    "ca_hash",
    "pod_prefix",
    "pod_network",
    "routes",
];

/// What the controller decided about the cluster and this node.
#[derive(Debug)]
struct Settings<'a> {
    node: &'a str,
    address: &'a str,
    control_plane: &'a str,
    version: &'a str,
    etcd_tag: &'a str,
    coredns_tag: &'a str,
    token: &'a str,
    /// Of the cluster's CA, as `sha256:…` of its public key.
    ca_hash: &'a str,
    /// Network of this node's pods.
    pod_prefix: &'a str,
    /// Networks of all pods.
    pod_network: &'a str,
    /// Networks of other nodes' pods with the node that leads there.
    routes: Vec<(&'a str, &'a str)>,
    /// What this node's machine asks for.
    policy: &'static Policy,
}

pub(super) fn option<'a>(spec: &'a InstallSpec, name: &str) -> Result<&'a str, AgentError> {
    spec.options
        .get(name)
        .map(String::as_str)
        .ok_or_else(|| AgentError::Invalid(format!("kubernetes needs option `{name}`")))
}

/// `PREFIX=ADDRESS,…`
pub(super) fn parse_routes(text: &str) -> Result<Vec<(&str, &str)>, AgentError> {
    let routes: Option<Vec<_>> = text
        .split(',')
        .filter(|r| !r.is_empty())
        .map(|r| r.split_once('='))
        .collect();
    routes.ok_or_else(|| AgentError::Invalid("routes must be PREFIX=ADDRESS,…".into()))
}

impl<'a> Settings<'a> {
    async fn read(spec: &'a InstallSpec, system: &dyn System) -> Result<Self, AgentError> {
        Ok(Self {
            node: option(spec, "node")?,
            address: option(spec, "address")?,
            control_plane: option(spec, "control_plane")?,
            version: option(spec, "version")?,
            etcd_tag: option(spec, "etcd_tag")?,
            coredns_tag: option(spec, "coredns_tag")?,
            token: option(spec, "token")?,
            ca_hash: option(spec, "ca_hash")?,
            pod_prefix: option(spec, "pod_prefix")?,
            pod_network: option(spec, "pod_network")?,
            routes: parse_routes(option(spec, "routes")?)?,
            policy: Machine::read(system).await.policy(),
        })
    }
}

/// kubeadm only says that the kubelet did not come up.
async fn explain(system: &dyn System, error: AgentError) -> AgentError {
    unit::explain(node::KUBELET, error, system).await
}

#[cfg(test)]
mod tests;
