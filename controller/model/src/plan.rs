//! Everything that `up` and `bench` will do.

use super::{Mode, NodePlan, Prefix, Role};

/// Largest MQTT message.
pub const MAX_PAYLOAD_BYTES: u32 = 1 << 20;
/// Where the gateway listens on the controller node.
const GATEWAY_PORT: u16 = 8080;
const GATEWAY_METRICS_PORT: u16 = 8082;

/// Something to install on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// As the agent knows it.
    pub name: &'static str,
    pub options: Vec<(&'static str, String)>,
    /// Packages kept beside the image that it needs.
    pub extras: Option<String>,
    /// Component of the catalogue whose files it needs.
    pub from_store: Option<&'static str>,
}

/// A component on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub node: String,
    pub component: Component,
}

/// Everything that `up` and `bench` will do.
#[derive(Debug, Clone)]
pub struct Plan {
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
    pub fn node(&self, name: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// The node that runs the control plane, if there is one.
    pub fn controller(&self) -> Option<&NodePlan> {
        self.nodes.iter().find(|n| n.role == Role::Controller)
    }

    /// Where endpoints and we reach the gateway for functions, as `address:port`.
    pub fn gateway_address(&self) -> Option<String> {
        let controller = self.controller()?;
        Some(format!("{}:{GATEWAY_PORT}", controller.address))
    }

    /// Where Prometheus reads the gateway's metrics, as `address:port`.
    pub fn gateway_metrics_address(&self) -> Option<String> {
        let controller = self.controller()?;
        Some(format!("{}:{GATEWAY_METRICS_PORT}", controller.address))
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
