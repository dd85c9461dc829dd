//! The plan: a pure function of config and address prefix. No I/O here.

mod addresses;
mod changes;
mod links;
mod nodes;

use crate::{
    config::{Config, Mode, Tier},
    managers::{self, Component},
    services,
};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

pub use addresses::{Prefix, mac};
pub use changes::changed_links;
pub use links::{LinkClass, Peer, links_of};

/// Where every broker listens.
pub const BROKER_PORT: u16 = 1883;
/// Where every agent listens.
pub const AGENT_PORT: u16 = 7443;
/// Where agents of machines keep their files.
pub const GUEST_DATA_DIR: &str = "/var/lib/continuum-agent";
/// Largest MQTT message.
pub const MAX_PAYLOAD_BYTES: u32 = 1 << 20;

/// What a node is for its manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the control plane.
    Controller,
    /// Runs applications.
    Worker,
    /// Makes the load.
    Endpoint,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    /// As `edge0`, `cloud_controller`.
    pub name: String,
    /// Tier.
    pub tier: Tier,
    /// Role.
    pub role: Role,
    /// Number in the deployment, from 0, in the order of addresses.
    pub slot: u32,
    /// Where it is reached.
    pub address: Ipv4Addr,
    /// Of its network card.
    pub mac: String,
    /// Virtual cores.
    pub cores: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Share of each core.
    pub quota: f64,
    /// 0 = no limit.
    pub disk_read_mb_s: u64,
    /// 0 = no limit.
    pub disk_write_mb_s: u64,
    /// Physical core of each virtual one; empty = anywhere.
    pub pinned: Vec<u32>,
    /// Network of its pods, if it is a node of a cluster.
    #[serde(default)]
    pub pod_prefix: Option<String>,
}

/// A component on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Node.
    pub node: String,
    /// What.
    pub component: Component,
}

/// Everything that `up` and `bench` will do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Deployment name.
    pub name: String,
    /// Where the workers are.
    pub mode: Mode,
    /// Of addresses.
    pub prefix: Prefix,
    /// By slot.
    pub nodes: Vec<NodePlan>,
    /// In order within each node; nodes side by side.
    pub installations: Vec<Installation>,
    /// Nodes that run a broker.
    pub brokers: Vec<String>,
    /// Directory of photos, for the application.
    pub dataset: String,
    /// Whose MQTT broker `KubeEdge`'s edges use.
    pub event_bus: String,
    /// `openfaas`, if functions are called instead of workers.
    pub execution_model: Option<String>,
    /// Whether an application is to run, as far as the config of `up` says.
    pub has_application: bool,
}

impl Plan {
    /// Of a checked config.
    pub fn new(config: &Config, prefix: Prefix) -> Self {
        let manager = managers::find(&config.software.resource_manager);
        let nodes = nodes::nodes(config, prefix);
        let mut installations = Vec::new();
        let mut brokers = Vec::new();
        for node in &nodes {
            let mut wanted: Vec<&str> = config
                .software
                .services
                .iter()
                .map(String::as_str)
                .filter(|_| !config.infrastructure.infra_only)
                .collect();
            if let Some(manager) = manager.filter(|_| !config.infrastructure.infra_only) {
                let needs = manager.needs(node);
                if needs.has_broker {
                    brokers.push(node.name.clone());
                }
                // What agents run there needs its runtime.
                let in_pods = manager.runs_in_pods() && node.role != Role::Endpoint;
                let runtime = config.software.runtime().filter(|_| !in_pods);
                wanted.extend(runtime.filter(|r| !wanted.contains(r)));
                for service in needs.services {
                    if !wanted.contains(&service) {
                        wanted.push(service);
                    }
                }
            }
            for service in wanted.into_iter().filter_map(services::find) {
                installations.push(Installation {
                    node: node.name.clone(),
                    component: service.component(config),
                });
            }
        }
        Self {
            name: config.name.clone(),
            mode: config.mode(),
            prefix,
            nodes,
            installations,
            brokers,
            dataset: config
                .benchmark
                .as_ref()
                .and_then(|b| b.dataset.clone())
                .unwrap_or_else(|| "photos".into()),
            event_bus: config.software.event_bus.clone(),
            execution_model: config.software.execution_model.clone(),
            has_application: config.benchmark.is_some()
                && !config.software.resource_manager_only
                && !config.infrastructure.infra_only,
        }
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// Memory of all nodes.
    pub fn memory_mib(&self) -> u64 {
        self.nodes.iter().map(|n| n.memory_mib).sum()
    }

    /// Virtual cores of all nodes.
    pub fn cores(&self) -> u32 {
        self.nodes.iter().map(|n| n.cores).sum()
    }
}
