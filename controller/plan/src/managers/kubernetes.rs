//! Kubernetes by kubeadm: the first cloud node controls, the others work.

use super::{
    Cluster, ClusterPart, Needs, ResourceManager, Secret, UnknownVersion, count, spread_evenly,
};
use continuum_config::{Config, ManagerKind};
use continuum_images::components::{Catalogue, Stack};
use continuum_model::{NodePlan, Plan, Prefixes, Role, Tier, node_name};

/// `kubernetes`.
#[derive(Debug)]
pub(super) struct Kubernetes;

impl ResourceManager for Kubernetes {
    fn kind(&self) -> ManagerKind {
        ManagerKind::Kubernetes
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let clouds = count(config, Tier::Cloud);
        if clouds == 0 {
            faults.push((
                "infrastructure.cloud.nodes",
                "resource manager kubernetes needs a cloud node".into(),
            ));
        }
        if count(config, Tier::Edge) > 0 {
            faults.push((
                "infrastructure.edge.nodes",
                "resource manager kubernetes has no edge nodes; use kubeedge".into(),
            ));
        }
        let endpoints = count(config, Tier::Endpoint);
        if clouds == 1 && endpoints > 0 {
            faults.push((
                "infrastructure.cloud.nodes",
                "with endpoints there must be a worker: 2 cloud nodes or more, as the first is the controller".into(),
            ));
        }
        faults.extend(spread_evenly(
            endpoints,
            clouds.saturating_sub(1),
            "cloud workers",
        ));
        faults
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        super::cluster_node(node)
    }
    fn missing(&self, _config: &Config) -> Option<&'static str> {
        None
    }
    fn image_role(&self) -> Option<&'static str> {
        Some("kubernetes")
    }
    fn units(&self, role: Role) -> &'static [&'static str] {
        match role {
            Role::Controller | Role::Worker => &["kubelet"],
            Role::Endpoint => &[],
        }
    }
    fn cluster(&self) -> Option<&'static dyn Cluster> {
        Some(&Kubernetes)
    }
}

/// Component with the image of our applications.
const WORKLOAD: &str = "workload-image";
/// Programs of every node.
const PROGRAMS: [&str; 2] = ["kubeadm", "kubelet"];
/// Images of every node, and those of the control plane.
const NODE_IMAGES: [&str; 3] = ["pause", "kube-proxy", "coredns"];
const CONTROL_PLANE_IMAGES: [&str; 4] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "etcd",
];

impl Cluster for Kubernetes {
    fn stack<'a>(
        &self,
        catalogue: &'a Catalogue,
        config: &Config,
    ) -> Result<&'a Stack, UnknownVersion> {
        let version = config.software.kubernetes.kube_version.as_deref();
        catalogue.stack("kubernetes", version).map_err(|error| {
            let first = catalogue.stack("kubernetes", None);
            let first = first.ok().and_then(|s| s.versions.get("kubernetes"));
            let first = first.map_or("VERSION", String::as_str);
            UnknownVersion(format!(
                "{error}; type `--set software.kube_version={first}`, or leave it out"
            ))
        })
    }

    fn components(&self) -> &'static [&'static str] {
        &["kubernetes", "kubernetes-images", WORKLOAD]
    }

    fn parts(&self, node: &NodePlan, plan: &Plan, stack: &Stack) -> Vec<ClusterPart> {
        let part = match node.role {
            Role::Controller => control_plane(node, plan, stack),
            Role::Worker => member("kubernetes-worker", &[Secret::Join], node, plan, stack),
            Role::Endpoint => Some(beside(node, plan)),
        };
        part.into_iter().collect()
    }
}

/// Pods answer endpoints with their own addresses.
pub(super) fn beside(node: &NodePlan, plan: &Plan) -> ClusterPart {
    ClusterPart {
        component: "pod-routes",
        options: [("routes", routes(node, plan))].into(),
        secrets: &[],
        files: Vec::new(),
    }
}

/// The way to the pods of all other nodes.
pub(super) fn routes(node: &NodePlan, plan: &Plan) -> String {
    let others = plan.nodes.iter().filter(|other| other.slot != node.slot);
    let routes: Vec<String> = others
        .filter_map(|other| Some(format!("{}={}", other.pod_prefix?, other.address)))
        .collect();
    routes.join(",")
}

pub(super) fn control_plane(node: &NodePlan, plan: &Plan, stack: &Stack) -> Option<ClusterPart> {
    let secrets = &[Secret::Join, Secret::Authority];
    let mut part = member("kubernetes-control-plane", secrets, node, plan, stack)?;
    part.files.extend(images(&CONTROL_PLANE_IMAGES));
    Some(part)
}

fn images<'a>(names: &'a [&str]) -> impl Iterator<Item = (&'static str, String)> + 'a {
    names
        .iter()
        .map(|i| ("kubernetes-images", format!("{i}.tar")))
}

/// While the control plane comes up, workers have the time to take the image of our applications.
pub(super) fn workload(node: &NodePlan, plan: &Plan) -> Option<(&'static str, String)> {
    (node.role == Role::Worker && plan.has_application)
        .then(|| (WORKLOAD, "workload.tar".to_owned()))
}

/// A node that kubeadm makes.
fn member(
    component: &'static str,
    secrets: &'static [Secret],
    node: &NodePlan,
    plan: &Plan,
    stack: &Stack,
) -> Option<ClusterPart> {
    let controller = plan.controller()?;
    let version = |name: &str| stack.versions.get(name).cloned().unwrap_or_default();
    let options = [
        ("node", node_name(&node.name)),
        ("address", node.address.to_string()),
        ("control_plane", controller.address.to_string()),
        ("version", version("kubernetes")),
        ("etcd_tag", version("etcd")),
        ("coredns_tag", version("coredns")),
        ("pod_prefix", node.pod_prefix?.to_string()),
        ("pod_network", POD_PREFIXES.net().to_string()),
        ("routes", routes(node, plan)),
    ];
    let programs = PROGRAMS.iter().map(|p| ("kubernetes", (*p).to_owned()));
    let files = programs.chain(images(&NODE_IMAGES));
    Some(ClusterPart {
        component,
        options: options.into_iter().collect(),
        secrets,
        files: files.chain(workload(node, plan)).collect(),
    })
}

/// All pods.
pub(crate) const POD_PREFIXES: Prefixes = Prefixes::new(10, 244);

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 3\n\
                          cores = 2\nmemory_mib = 2048\n[infrastructure.endpoint]\nnodes = 2\ncores = 1\n\
                          memory_mib = 512\n[network]\npreset = \"4g\"\n[software]\n\
                          resource_manager = \"kubernetes\"\nresource_manager_only = true\n";

    #[test]
    fn each_node_knows_the_way_to_all_pods() {
        let config = crate::parse(CONFIG, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        assert!(Kubernetes.missing(&config).is_none());
        let plan = crate::plan(&config, Prefix::from([192, 168, 100]));
        let catalogue = Catalogue::builtin().unwrap();
        let stack = Kubernetes.stack(&catalogue, &config).unwrap();
        let parts: Vec<_> = plan
            .nodes
            .iter()
            .flat_map(|n| Kubernetes.parts(n, &plan, stack))
            .collect();
        let names: Vec<_> = parts.iter().map(|p| p.component).collect();
        let worker = "kubernetes-worker";
        assert_eq!(
            names,
            [
                "kubernetes-control-plane",
                worker,
                worker,
                "pod-routes",
                "pod-routes"
            ]
        );
        let first = &parts[1];
        assert_eq!(
            first.options["routes"],
            "10.244.0.0/24=192.168.100.2,10.244.2.0/24=192.168.100.4"
        );
        assert_eq!(first.options["node"], "cloud0");
        assert_eq!(parts[0].options["node"], "cloud-controller");
        assert!(!first.files.iter().any(|(_, file)| file == "etcd.tar"));
        assert_eq!(
            parts[3].options["routes"],
            "10.244.0.0/24=192.168.100.2,10.244.1.0/24=192.168.100.3,10.244.2.0/24=192.168.100.4"
        );
        // Traffic to pods is shaped like that to their node.
        let links = crate::links_of(&plan.nodes[3], &plan.nodes, &config.network);
        assert_eq!(
            links[0].peers[1].prefixes,
            ["192.168.100.3/32", "10.244.1.0/24"].map(|p| p.parse().unwrap())
        );
    }

    #[test]
    fn an_unknown_version_is_refused_with_those_there_are() {
        let text = format!("{CONFIG}kube_version = \"1.27.0\"\n");
        let config = crate::parse(&text, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let catalogue = Catalogue::builtin().unwrap();
        let error = Kubernetes
            .stack(&catalogue, &config)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("1.27.0") && error.contains("1.35.4"),
            "{error}"
        );
    }
}
