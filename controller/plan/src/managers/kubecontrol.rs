//! Kubernetes as upstream measures its control plane: the same cluster, and applications come to it as `kube_deployment`
//! says. Upstream's is patched to tell more of its stages; here it is unchanged.

use super::{
    Cluster, Needs, ResourceManager, cluster_node, count, kubernetes::Kubernetes, spread_evenly,
};
use continuum_config::{Config, ManagerKind};
use continuum_model::{NodePlan, Role, Tier};

/// Stages that only upstream's changed Kubernetes can tell.
pub(crate) const STAGES_OF_A_PATCH: &str = "kubectl_start, kubectl_parsed, controller_read_workload, \
    controller_unpacked_workload, scheduler_read_pod, kubelet_created_cgroup";

/// `kubecontrol`.
#[derive(Debug)]
pub(super) struct KubeControl;

impl ResourceManager for KubeControl {
    fn kind(&self) -> ManagerKind {
        ManagerKind::KubeControl
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let clouds = count(config, Tier::Cloud);
        if clouds < 2 {
            faults.push((
                "infrastructure.cloud.nodes",
                format!("resource manager kubecontrol needs 2 cloud nodes or more, not {clouds}: the first is the controller"),
            ));
        }
        if count(config, Tier::Edge) > 0 {
            faults.push((
                "infrastructure.edge.nodes",
                "resource manager kubecontrol has no edge nodes; use kubeedge".into(),
            ));
        }
        faults.extend(spread_evenly(
            count(config, Tier::Endpoint),
            clouds.saturating_sub(1),
            "cloud workers",
        ));
        faults
    }
    fn warnings(&self) -> Vec<String> {
        vec![format!(
            "resource manager kubecontrol is an unchanged Kubernetes: {STAGES_OF_A_PATCH} are not known, as only upstream's \
             patch tells them"
        )]
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        cluster_node(node)
    }
    fn missing(&self, _config: &Config) -> Option<&'static str> {
        None
    }
    fn image_role(&self) -> Option<&'static str> {
        Kubernetes.image_role()
    }
    fn units(&self, role: Role) -> &'static [&'static str] {
        Kubernetes.units(role)
    }
    fn cluster(&self) -> Option<&'static dyn Cluster> {
        Some(&Kubernetes)
    }
}
