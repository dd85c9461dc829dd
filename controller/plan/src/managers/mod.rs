//! Resource managers: who decides where applications run. One trait, one file each, one list.

mod cluster;
mod kubecontrol;
mod kubeedge;
mod kubernetes;
mod mist;
mod none;

use continuum_config::{Config, ManagerKind};
use continuum_model::{NodePlan, Role, Tier};

pub(crate) use kubecontrol::STAGES_OF_A_PATCH;
pub(crate) use kubernetes::POD_PREFIXES;

pub use cluster::{Cluster, ClusterPart, Secret, UnknownVersion};

/// Every manager; the only place that names them.
pub const RESOURCE_MANAGERS: &[&dyn ResourceManager] = &[
    &none::Unmanaged,
    &mist::Mist,
    &kubernetes::Kubernetes,
    &kubeedge::KubeEdge,
    &kubecontrol::KubeControl,
];

/// What a manager needs of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Services of `services.rs`, in the order of installation.
    pub services: Vec<&'static str>,
    /// Least memory; 0 = whatever.
    pub memory_floor_mib: u64,
    /// Whether the node runs an MQTT broker.
    pub has_broker: bool,
}

pub trait ResourceManager: Sync + std::fmt::Debug {
    fn kind(&self) -> ManagerKind;
    /// As in configs.
    fn name(&self) -> &'static str {
        self.kind().name()
    }
    /// Rules on a config: option and what is wrong with it.
    fn check(&self, config: &Config) -> Vec<(&'static str, String)>;
    /// What a user of it should know.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether the first cloud node is its controller.
    fn has_controller(&self) -> bool {
        self.cluster().is_some()
    }
    fn needs(&self, node: &NodePlan) -> Needs;
    /// Why this version cannot bring such a config up; `None` = it can.
    fn missing(&self, config: &Config) -> Option<&'static str>;
    /// Whether workers run their applications in pods; if not, their agents do.
    fn runs_in_pods(&self) -> bool {
        self.cluster().is_some()
    }
    /// The role of guest images that have its container images in them.
    fn image_role(&self) -> Option<&'static str> {
        None
    }
    /// Its units on a node that may be restarted.
    fn units(&self, _role: Role) -> &'static [&'static str] {
        &[]
    }
    /// What it installs beyond services, if it makes a cluster.
    fn cluster(&self) -> Option<&'static dyn Cluster> {
        None
    }
}

pub fn find(kind: ManagerKind) -> Option<&'static dyn ResourceManager> {
    RESOURCE_MANAGERS.iter().copied().find(|m| m.kind() == kind)
}

/// Nodes of a tier, for rules.
fn count(config: &Config, tier: Tier) -> u32 {
    config.infrastructure.tiers.get(tier).nodes
}

/// `endpoints` must spread evenly over `workers`.
fn spread_evenly(
    endpoints: u32,
    workers: u32,
    worker_word: &str,
) -> Option<(&'static str, String)> {
    let uneven = workers > 0 && endpoints > 0 && !endpoints.is_multiple_of(workers);
    uneven.then(|| {
        (
            "infrastructure.endpoint.nodes",
            format!("{endpoints} endpoints do not spread evenly over {workers} {worker_word}"),
        )
    })
}

/// A worker that runs applications as processes beside its own broker.
fn native_worker(node: &NodePlan) -> Needs {
    let has_broker = node.role == Role::Worker;
    Needs {
        services: if has_broker { vec!["mqtt"] } else { Vec::new() },
        has_broker,
        ..Needs::default()
    }
}

/// A node of a cluster with a control plane: 2 GiB for the controller, workers with a broker of their own.
fn cluster_node(node: &NodePlan) -> Needs {
    match node.role {
        Role::Controller => Needs {
            services: vec!["containerd"],
            memory_floor_mib: 2048,
            has_broker: false,
        },
        Role::Worker => Needs {
            services: vec!["mqtt", "containerd"],
            memory_floor_mib: 512,
            has_broker: true,
        },
        Role::Endpoint => Needs::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manager_that_a_config_may_name_is_here() {
        let kinds: Vec<_> = RESOURCE_MANAGERS.iter().map(|m| m.kind()).collect();
        assert_eq!(kinds, ManagerKind::ALL);
    }
}
