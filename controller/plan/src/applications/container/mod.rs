//! `container`: the user's own application. What it must do is in docs/containers.md: print JSON lines.

mod report;

use super::Application;
use crate::managers;
use continuum_config::{ApplicationKind, Benchmark, Config, Container, Findings, Runtime, is_file};
use continuum_model::{
    BROKER_PORT, Clocks, NodePlan, NodeRun, Phase, Plan, Report, Role, RunPlan, Tier,
    UserContainer, UserImage,
};
use continuum_workload_core::spec::{Role as Does, RunSpec};
use std::collections::BTreeMap;

/// Containers may take so long beyond the length of the run: to start, and to say how it went.
const SLACK_S: f64 = 420.0;

fn ports(own: &Container) -> Option<Vec<u16>> {
    own.ports
        .iter()
        .map(|p| p.parse().ok().filter(|p| *p > 0))
        .collect()
}

fn addresses<'a>(nodes: impl Iterator<Item = &'a NodePlan>) -> String {
    let all: Vec<String> = nodes.map(|n| n.address.to_string()).collect();
    all.join(",")
}

impl Application for Container {
    fn load_end_s(&self, _benchmark: &Benchmark) -> Option<f64> {
        None
    }

    fn check(&self, config: &Config, _benchmark: &Benchmark, findings: &mut Findings<'_>) {
        let images = [
            ("benchmark.worker_image", &self.worker),
            ("benchmark.endpoint_image", &self.endpoint),
        ];
        if images.iter().all(|(_, own)| own.image.is_none()) {
            findings.fault(
                "benchmark.worker_image",
                "application container needs worker_image or endpoint_image",
            );
        }
        if ports(self).is_none() {
            findings.fault(
                "benchmark.ports",
                format!("`{}` are not all ports: 1 to 65535", self.ports.join(", ")),
            );
        }
        for (option, own) in images {
            let is_none = |image: &&String| is_file(image) && own.archive().is_none();
            if let Some(image) = own.image.as_ref().filter(is_none) {
                findings.fault(
                    option,
                    format!("`{image}` is no archive as `docker save` writes it, whose name ends in .tar"),
                );
            }
        }
        let in_pods = managers::find(config.software.resource_manager)
            .is_some_and(managers::ResourceManager::runs_in_pods);
        let by_agents = self.endpoint.image.is_some() || !in_pods;
        let names = images
            .iter()
            .filter(|(_, own)| own.image.as_ref().is_some_and(|image| !is_file(image)));
        if by_agents && config.software.container_runtime == Runtime::Containerd {
            for (option, _) in names {
                findings.fault(option, "must be an archive (*.tar) with container_runtime containerd, which fetches nothing");
            }
        }
        if by_agents && config.software.runtime().is_none() {
            findings.fault(
                "software.container_runtime",
                "application container needs containerd or docker here",
            );
        }
        let tiers = &config.infrastructure.tiers;
        if self.endpoint.image.is_some() && tiers.endpoint.nodes == 0 {
            findings.fault(
                "infrastructure.endpoint.nodes",
                "endpoint_image needs an endpoint",
            );
        }
    }

    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        let of = |role: Role| plan.nodes.iter().filter(move |n| n.role == role);
        let workers: Vec<&NodePlan> = of(Role::Worker).collect();
        let endpoints: Vec<&NodePlan> = plan
            .nodes
            .iter()
            .filter(|n| n.tier == Tier::Endpoint)
            .collect();
        let share = endpoints.len() / workers.len().max(1);
        let common: BTreeMap<String, String> = [
            ("CONTINUUM_WORKERS", addresses(workers.iter().copied())),
            ("CONTINUUM_ENDPOINTS", addresses(endpoints.iter().copied())),
            ("CONTINUUM_FREQUENCY_HZ", self.frequency.to_string()),
            ("CONTINUUM_DURATION_S", benchmark.duration_s.to_string()),
            ("CONTINUUM_PORTS", self.ports.join(",")),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        let run = |node: &NodePlan,
                   copy: u32,
                   phase: Phase,
                   image: &UserImage,
                   rest: &[(&str, String)]| {
            let mut env = common.clone();
            let own = [
                ("CONTINUUM_NODE", node.name.clone()),
                ("CONTINUUM_ADDRESS", node.address.to_string()),
            ];
            env.extend(
                own.iter()
                    .chain(rest)
                    .map(|(k, v)| ((*k).to_owned(), v.clone())),
            );
            let is_worker = phase == Phase::Worker;
            RunPlan {
                id: if copy == 0 {
                    node.name.clone()
                } else {
                    format!("{}-{copy}", node.name)
                },
                node: node.name.clone(),
                phase,
                spec: RunSpec {
                    application: ApplicationKind::Container.to_string(),
                    node: node.name.clone(),
                    role: Does::External,
                },
                cpu_cores: if is_worker {
                    benchmark.worker_cores
                } else {
                    benchmark.endpoint_cores
                },
                memory_mib: if is_worker {
                    benchmark.worker_memory_mib
                } else {
                    benchmark.endpoint_memory_mib
                },
                connected_to: None,
                own: Some(UserContainer {
                    image: image.clone(),
                    env,
                    ports: if is_worker {
                        ports(self).unwrap_or_default()
                    } else {
                        Vec::new()
                    },
                    is_service: is_worker && self.endpoint.image.is_some(),
                }),
            }
        };
        let mut runs = Vec::new();
        for (index, worker) in workers.iter().enumerate() {
            let broker = format!("{}:{BROKER_PORT}", worker.address);
            let own = endpoints.iter().skip(index * share).take(share);
            if self.worker.image.is_some() {
                let rest = [
                    ("CONTINUUM_ROLE", "worker".to_owned()),
                    ("CONTINUUM_BROKER", broker.clone()),
                    ("CONTINUUM_OWN_ENDPOINTS", addresses(own.clone().copied())),
                ];
                for copy in 0..benchmark.applications_per_worker {
                    runs.push(run(worker, copy, Phase::Worker, &self.worker, &rest));
                }
            }
            if self.endpoint.image.is_some() {
                for endpoint in own {
                    let rest = [
                        ("CONTINUUM_ROLE", "endpoint".to_owned()),
                        ("CONTINUUM_BROKER", broker.clone()),
                        ("CONTINUUM_WORKER", worker.address.to_string()),
                    ];
                    let mut run = run(endpoint, 0, Phase::Endpoint, &self.endpoint, &rest);
                    run.connected_to = Some(index);
                    runs.push(run);
                }
            }
        }
        if workers.is_empty() && self.endpoint.image.is_some() {
            let rest = [("CONTINUUM_ROLE", "endpoint".to_owned())];
            runs.extend(
                endpoints
                    .iter()
                    .map(|n| run(n, 0, Phase::Endpoint, &self.endpoint, &rest)),
            );
        }
        runs
    }

    fn deadline_s(&self, benchmark: &Benchmark) -> f64 {
        benchmark.duration_s + SLACK_S
    }

    fn report(
        &self,
        _plan: &Plan,
        _benchmark: &Benchmark,
        runs: &[NodeRun],
        _clocks: &Clocks,
    ) -> Report {
        report::report(runs)
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;
    use continuum_model::Prefix;

    const CONFIG: &str = r#"
        name = "own"
        [infrastructure]
        provider = "qemu"
        edge = { nodes = 1, cores = 1, memory_mib = 1024 }
        endpoint = { nodes = 2, cores = 1, memory_mib = 512 }
        [software]
        resource_manager = "mist"
        container_runtime = "docker"
        [benchmark]
        application = "container"
        duration_s = 5
        worker_image = "example.org/server:1"
        endpoint_image = "example.org/client:1"
        endpoint_command = ["/client", "--fast"]
        ports = ["8080"]
    "#;

    #[test]
    fn everyone_is_told_where_the_others_are() {
        let config = parse(CONFIG, "own.toml", false, "own", &[]).unwrap().config;
        let plan = crate::plan(&config, Prefix::from([192, 168, 100]));
        let benchmark = config.benchmark.as_ref().unwrap();
        let runs = crate::applications::of(benchmark).runs(&plan, benchmark);
        assert_eq!(runs.len(), 3);
        let own = |index: usize| runs[index].own.as_ref().unwrap();
        assert!(own(0).is_service && own(0).ports == [8080]);
        assert_eq!(
            own(0).env["CONTINUUM_OWN_ENDPOINTS"],
            "192.168.100.3,192.168.100.4"
        );
        assert_eq!(own(2).env["CONTINUUM_WORKER"], "192.168.100.2");
        assert_eq!(own(2).env["CONTINUUM_BROKER"], "192.168.100.2:1883");
        assert_eq!(own(2).env["CONTINUUM_ADDRESS"], "192.168.100.4");
        assert_eq!(own(2).image.command, ["/client", "--fast"]);
        assert!(
            plan.installations
                .iter()
                .any(|i| i.node == "endpoint0" && i.component.name == "docker")
        );
    }

    #[test]
    fn a_file_that_is_no_archive_is_refused_with_its_line_whatever_runs_it() {
        for runtime in ["docker", "containerd"] {
            for name in ["app.tar.gz", "app.TAR", "./app.tgz", "~/app.tar.xz"] {
                let text = CONFIG
                    .replace("runtime = \"docker\"", &format!("runtime = \"{runtime}\""))
                    .replace("example.org/server:1", name)
                    .replace("example.org/client:1", "client.tar");
                let error = parse(&text, "own.toml", false, "own", &[]).unwrap_err();
                let error = error.to_string();
                let part = format!("benchmark.worker_image: `{name}` is no archive");
                assert!(
                    error.contains("1 fault\n") && error.contains(&part),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_run_is_refused_at_once() {
        let text = CONFIG
            .replace("container_runtime = \"docker\"", "")
            .replace("8080", "http");
        let error = parse(&text, "own.toml", false, "own", &[])
            .unwrap_err()
            .to_string();
        for part in ["`http`", "containerd or docker"] {
            assert!(error.contains(part), "no {part} in {error}");
        }
    }
}
