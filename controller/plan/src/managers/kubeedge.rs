//! `KubeEdge`: a control plane and cloudcore in the cloud, edgecore on edges.

use super::{
    Cluster, ClusterPart, Needs, ResourceManager, Secret, UnknownVersion, count,
    kubernetes::{self, Kubernetes},
    spread_evenly,
};
use continuum_config::{Config, ManagerKind};
use continuum_images::components::{Catalogue, Stack};
use continuum_model::{BROKER_PORT, NodePlan, Plan, Role, Tier, node_name};

/// `kubeedge`.
#[derive(Debug)]
pub(super) struct KubeEdge;

impl ResourceManager for KubeEdge {
    fn kind(&self) -> ManagerKind {
        ManagerKind::KubeEdge
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let clouds = count(config, Tier::Cloud);
        if clouds != 1 {
            faults.push((
                "infrastructure.cloud.nodes",
                format!("resource manager kubeedge needs exactly 1 cloud node, not {clouds}"),
            ));
        }
        let edges = count(config, Tier::Edge);
        if edges == 0 {
            faults.push((
                "infrastructure.edge.nodes",
                "resource manager kubeedge needs edge nodes".into(),
            ));
        }
        faults.extend(spread_evenly(
            count(config, Tier::Endpoint),
            edges,
            "edge nodes",
        ));
        faults
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        super::cluster_node(node)
    }
    fn missing(&self, config: &Config) -> Option<&'static str> {
        config
            .software
            .execution_model
            .is_some()
            .then_some("this version cannot install KubeEdge with functions yet")
    }
    fn image_role(&self) -> Option<&'static str> {
        Some("kubernetes")
    }
    fn units(&self, role: Role) -> &'static [&'static str] {
        match role {
            Role::Controller => &["kubelet", "cloudcore"],
            Role::Worker => &["edgecore"],
            Role::Endpoint => &[],
        }
    }
    fn cluster(&self) -> Option<&'static dyn Cluster> {
        Some(&KubeEdge)
    }
}

const KUBEEDGE: &str = "kubeedge";

impl Cluster for KubeEdge {
    fn stack<'a>(
        &self,
        catalogue: &'a Catalogue,
        config: &Config,
    ) -> Result<&'a Stack, UnknownVersion> {
        Kubernetes.stack(catalogue, config)
    }

    fn components(&self) -> &'static [&'static str] {
        &[
            "kubernetes",
            "kubernetes-images",
            "workload-image",
            KUBEEDGE,
        ]
    }

    fn parts(&self, node: &NodePlan, plan: &Plan, stack: &Stack) -> Vec<ClusterPart> {
        let parts = match node.role {
            Role::Controller => [
                kubernetes::control_plane(node, plan, stack),
                Some(cloudcore(node, plan)),
            ],
            Role::Worker => [edgecore(node, plan), None],
            Role::Endpoint => [Some(kubernetes::beside(node, plan)), None],
        };
        parts.into_iter().flatten().collect()
    }
}

fn cloudcore(node: &NodePlan, plan: &Plan) -> ClusterPart {
    let edges = plan.nodes.iter().filter(|n| n.role == Role::Worker);
    let edges: Vec<String> = edges.map(|n| n.address.to_string()).collect();
    ClusterPart {
        component: "kubeedge-cloudcore",
        options: [
            ("address", node.address.to_string()),
            ("edges", edges.join(",")),
        ]
        .into(),
        secrets: &[Secret::AuthorityCertificate, Secret::EdgeAuthority],
        files: vec![
            ("kubernetes", "kubectl".to_owned()),
            (KUBEEDGE, "cloudcore".to_owned()),
            (KUBEEDGE, "crds.yaml".to_owned()),
        ],
    }
}

fn edgecore(node: &NodePlan, plan: &Plan) -> Option<ClusterPart> {
    let controller = plan.controller()?;
    let options = [
        ("node", node_name(&node.name)),
        ("address", node.address.to_string()),
        ("control_plane", controller.address.to_string()),
        ("pod_prefix", node.pod_prefix?.to_string()),
        ("routes", kubernetes::routes(node, plan)),
        ("event_bus", plan.event_bus.clone()),
        ("broker_port", BROKER_PORT.to_string()),
        ("pause", KubeEdge.sandbox_image().to_owned()),
    ];
    let files = [
        (KUBEEDGE, "edgecore".to_owned()),
        ("kubernetes-images", "pause.tar".to_owned()),
    ];
    Some(ClusterPart {
        component: "kubeedge-edgecore",
        options: options.into_iter().collect(),
        secrets: &[Secret::EdgeToken],
        files: files
            .into_iter()
            .chain(kubernetes::workload(node, plan))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 1\n\
                          cores = 2\nmemory_mib = 2048\n[infrastructure.edge]\nnodes = 2\ncores = 1\nmemory_mib = \
                          1024\n[infrastructure.endpoint]\nnodes = 2\ncores = 1\nmemory_mib = 512\n[software]\n\
                          resource_manager = \"kubeedge\"\nresource_manager_only = true\nevent_bus = \"internal\"\n";

    #[test]
    fn edges_have_no_kubelet_and_know_their_cloud() {
        let config = crate::parse(CONFIG, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        assert!(KubeEdge.missing(&config).is_none());
        let plan = crate::plan(&config, Prefix::from([192, 168, 100]));
        let catalogue = Catalogue::builtin().unwrap();
        let stack = KubeEdge.stack(&catalogue, &config).unwrap();
        let parts: Vec<Vec<_>> = plan
            .nodes
            .iter()
            .map(|n| KubeEdge.parts(n, &plan, stack))
            .collect();
        let names: Vec<Vec<_>> = parts
            .iter()
            .map(|p| p.iter().map(|p| p.component).collect())
            .collect();
        assert_eq!(names[0], ["kubernetes-control-plane", "kubeedge-cloudcore"]);
        assert_eq!(names[1], ["kubeedge-edgecore"]);
        assert_eq!(names[4], ["pod-routes"]);
        assert_eq!(parts[0][1].options["edges"], "192.168.100.3,192.168.100.4");
        let edge = &parts[2][0];
        assert_eq!(edge.options["control_plane"], "192.168.100.2");
        assert_eq!(edge.options["event_bus"], "internal");
        assert!(!edge.files.iter().any(|(_, f)| f == "kubelet"));
    }
}
