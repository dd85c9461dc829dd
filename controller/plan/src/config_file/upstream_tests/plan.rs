//! Nodes, links and applications of upstream's own files are those that its rules give.

use super::{
    folder,
    rules::{Class, Ini, Machine, Run, classes, machines, runs},
};
use crate::{applications, links_of, load, plan};
use continuum_config::Config;
use continuum_model::{Plan, Prefix, Tier};
use std::collections::BTreeSet;

/// Of every folder; those of providers that we do not have are planned for ours.
const FILES: [&str; 26] = [
    "bench_cloud.cfg",
    "bench_edge.cfg",
    "bench_endpoint.cfg",
    "qemu_kube_only.cfg",
    "experiment_control/microbenchmark/gcp/nodes/node_16.cfg",
    "experiment_control/microbenchmark/gcp/versions/v1230.cfg",
    "experiment_control/microbenchmark/qemu/constant_total_pods/node_4.cfg",
    "experiment_control/microbenchmark/qemu/deployment/call_100.cfg",
    "experiment_control/microbenchmark/qemu/deployment/container_100.cfg",
    "experiment_control/microbenchmark/qemu/pods_per_node/pod_10.cfg",
    "experiment_endpoint_scaling/cloud_endpoint8.cfg",
    "experiment_endpoint_scaling/edge_endpoint4.cfg",
    "experiment_kata/1_startup_performance/strong_scalability/node_1_runc.cfg",
    "experiment_kata/3_resource_usage/b_cpu/weak_scalability/weak_node_2_runc_workers_8.cfg",
    "experiment_large_deployments/cloud.cfg",
    "experiment_large_deployments/mist.cfg",
    "experiment_latency_variation/cloud_30ms_cpu050.cfg",
    "experiment_provider/qemu_edge.cfg",
    "experiment_serverless/openfaas_endpoint4_cpu8.cfg",
    "model/local.cfg",
    "model/offload.cfg",
    "observability/cloud2endpoint4_kubernetes_observe.cfg",
    "tests/aws/01_infraonly-cloud.cfg",
    "tests/gcp/06_kubeedge-img.cfg",
    "tests/qemu/04_infraonly-all.cfg",
    "tutorial/kubeedge-edge.cfg",
];

fn thousandths(number: f64) -> i64 {
    (number * 1000.0).round() as i64
}

fn machines_of(plan: &Plan) -> Vec<Machine> {
    let machine = |(index, node): (usize, &continuum_model::NodePlan)| {
        let last = node.address.octets()[3];
        assert_eq!(usize::from(last), index + 2, "{}", node.name);
        let quota = thousandths(node.quota);
        (
            node.name.clone(),
            node.cores.into(),
            node.memory_mib as i64,
            quota,
        )
    };
    plan.nodes.iter().enumerate().map(machine).collect()
}

fn classes_of(plan: &Plan, config: &Config) -> BTreeSet<Class> {
    let mut all = BTreeSet::new();
    for node in &plan.nodes {
        for class in links_of(node, &plan.nodes, &config.network) {
            let mut tiers = Tier::ALL.into_iter().map(Tier::name);
            let tier = tiers.find(|tier| *tier == class.name);
            let tier = tier.unwrap_or_else(|| panic!("{} has a link to {}", node.name, class.name));
            all.insert((
                node.name.clone(),
                tier,
                thousandths(class.link.latency_ms),
                thousandths(class.link.jitter_ms),
                thousandths(class.link.rate_mbit),
                class.peers.len(),
            ));
        }
    }
    all
}

fn runs_of(plan: &Plan, config: &Config) -> Option<Vec<Run>> {
    let is_run = !config.infrastructure.infra_only && !config.software.resource_manager_only;
    let benchmark = config.benchmark.as_ref().filter(|_| is_run)?;
    let mut runs: Vec<Run> = applications::of(benchmark)
        .runs(plan, benchmark)
        .into_iter()
        .map(|run| {
            let cores = thousandths(run.cpu_cores);
            (run.node, cores, run.memory_mib as i64, run.connected_to)
        })
        .collect();
    runs.sort_unstable();
    Some(runs)
}

#[test]
fn nodes_links_and_applications_are_those_of_upstreams_rules() {
    let Some(folder) = folder() else { return };
    for file in FILES {
        let path = folder.join(file);
        let ini = Ini::read(&std::fs::read_to_string(&path).unwrap());
        let set = ["infrastructure.provider=qemu".to_owned()];
        let config = load(&path, &set).unwrap_or_else(|e| panic!("{e}")).config;
        let plan = plan(&config, Prefix::from([192, 168, 100]));
        assert_eq!(machines_of(&plan), machines(&ini), "{file}");
        assert_eq!(classes_of(&plan, &config), classes(&ini), "{file}");
        let mut want = runs(&ini);
        if let Some(runs) = &mut want {
            runs.sort_unstable();
        }
        assert_eq!(runs_of(&plan, &config), want, "{file}");
    }
}
