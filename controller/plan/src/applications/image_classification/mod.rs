//! `image_classification`: endpoints send photos to the worker they belong to, or classify themselves.

mod photo_load;
mod prediction;
mod rate;
mod report;
mod sender;

pub use photo_load::PhotoLoad;

use super::{Application, functions};
use crate::hops::Hops;
use continuum_config::{
    ApplicationConfig, ApplicationKind, Benchmark, Config, Findings, FunctionLoad,
    ImageClassification,
};
use continuum_model::{
    BROKER_PORT, Clocks, Mode, NodePlan, NodeRun, Phase, Plan, Report, Role, RunPlan, Tier,
};
use continuum_workload_core::spec::{Combined, Load, Publisher, Role as Does, RunSpec, Subscriber};
use sender::Sender;

/// After the last photo, so long for an answer that is still under way, and for each one after it.
const GRACE_S: f64 = 120.0;
/// Photos that may wait at a worker.
const QUEUE_BYTES: u64 = 256 << 20;

/// Every one is a sample in memory and a line in a file.
const MOST_PHOTOS: f64 = 10_000_000.0;

fn load(own: &ImageClassification, benchmark: &Benchmark) -> Load {
    Load {
        frequency_hz: own.frequency,
        duration_s: benchmark.duration_s,
        grace_s: GRACE_S,
    }
}

fn run(node: &NodePlan, phase: Phase, role: Does, cpu_cores: f64, memory_mib: u64) -> RunPlan {
    RunPlan {
        id: node.name.clone(),
        node: node.name.clone(),
        phase,
        spec: RunSpec {
            application: ApplicationKind::ImageClassification.to_string(),
            node: node.name.clone(),
            role,
        },
        cpu_cores,
        memory_mib,
        connected_to: None,
        own: None,
    }
}

/// What is too slow of the links of a config for photos of such a size, with its option.
pub fn slow_link(config: &Config, photo_bytes: f64) -> Option<String> {
    let benchmark = config.benchmark.as_ref()?;
    let ApplicationConfig::ImageClassification(own) = &benchmark.application else {
        return None;
    };
    let (option, why) = rate::too_slow(config, own, benchmark, photo_bytes)?;
    Some(format!("{option}: {why}"))
}

/// Whole cores given, at least one: each classifier keeps one core busy.
fn classifiers(cores: f64) -> u32 {
    (cores.floor() as u32).max(1)
}

impl Application for ImageClassification {
    fn may_call_functions(&self) -> bool {
        true
    }

    fn function_loads(&self) -> Vec<FunctionLoad> {
        vec![FunctionLoad {
            name: functions::IMAGE.into(),
            frequency_hz: self.frequency,
            parameters: "{}".into(),
        }]
    }

    fn check(&self, config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>) {
        if self.frequency <= 0.0 {
            findings.fault(
                "benchmark.frequency",
                "is required for application image_classification",
            );
        }
        let photos = self.frequency * benchmark.duration_s;
        if photos > MOST_PHOTOS {
            findings.fault(
                "benchmark.duration_s",
                format!(
                    "{photos:.0} photos from each endpoint are more than the {MOST_PHOTOS:.0} that one run can keep"
                ),
            );
        }
        if self.warm_up_s > 0.0 && self.warm_up_s >= benchmark.duration_s {
            findings.fault(
                "benchmark.warm_up_s",
                format!(
                    "{} s of warm-up leave nothing of {} s to be measured",
                    self.warm_up_s, benchmark.duration_s
                ),
            );
        }
        if config.infrastructure.tiers.endpoint.nodes == 0 {
            findings.fault(
                "infrastructure.endpoint.nodes",
                "application image_classification needs an endpoint",
            );
        }
        // Sizes of the user's own are not known before they are looked at.
        if self.dataset.is_none()
            && let Some((option, why)) = rate::too_slow(config, self, benchmark, rate::PHOTO_BYTES)
        {
            findings.warn_at(&option, why);
        }
        if benchmark.cache_worker {
            findings.fault(
                "benchmark.cache_worker",
                "is not possible with application image_classification",
            );
        }
        if benchmark.applications_per_worker > 1 {
            findings.fault(
                "benchmark.applications_per_worker",
                "more than one worker application on a node would each get every photo; use more cores instead",
            );
        }
    }

    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        if plan.execution_model.is_some() {
            return functions::runs(plan, benchmark);
        }
        let load = load(self, benchmark);
        let dataset = plan.dataset.clone();
        let endpoints: Vec<&NodePlan> = plan
            .nodes
            .iter()
            .filter(|n| n.tier == Tier::Endpoint)
            .collect();
        if plan.mode == Mode::Endpoint {
            let combined = Combined {
                load,
                dataset,
                classifiers: classifiers(benchmark.endpoint_cores),
                queue_bytes: QUEUE_BYTES,
            };
            return endpoints
                .iter()
                .map(|n| {
                    run(
                        n,
                        Phase::Endpoint,
                        Does::Combined(combined.clone()),
                        benchmark.endpoint_cores,
                        benchmark.endpoint_memory_mib,
                    )
                })
                .collect();
        }
        let workers: Vec<&NodePlan> = plan
            .nodes
            .iter()
            .filter(|n| n.role == Role::Worker)
            .collect();
        let share = endpoints.len() / workers.len().max(1);
        let mut runs = Vec::new();
        for (index, worker) in workers.iter().enumerate() {
            let own = endpoints.iter().skip(index * share).take(share);
            let subscriber = Subscriber {
                broker: format!("{}:{BROKER_PORT}", worker.address),
                classifiers: classifiers(benchmark.worker_cores),
                endpoints: own.clone().map(|n| n.name.clone()).collect(),
                photos: Some(load.count()),
                queue_bytes: QUEUE_BYTES,
                deadline_s: self.deadline_s(benchmark),
            };
            runs.push(run(
                worker,
                Phase::Worker,
                Does::Subscriber(subscriber),
                benchmark.worker_cores,
                benchmark.worker_memory_mib,
            ));
            for endpoint in own {
                let publisher = Publisher {
                    broker: format!("{}:{BROKER_PORT}", worker.address),
                    load,
                    dataset: dataset.clone(),
                };
                let mut run = run(
                    endpoint,
                    Phase::Endpoint,
                    Does::Publisher(publisher),
                    benchmark.endpoint_cores,
                    benchmark.endpoint_memory_mib,
                );
                run.connected_to = Some(index);
                runs.push(run);
            }
        }
        runs
    }

    fn deadline_s(&self, benchmark: &Benchmark) -> f64 {
        // With functions it may be longer still.
        let functions = functions::deadline_s(benchmark);
        // Loading libtorch takes half a minute in an emulated guest.
        functions.max(load(self, benchmark).longest_s() + 300.0)
    }

    fn report(
        &self,
        plan: &Plan,
        benchmark: &Benchmark,
        runs: &[NodeRun],
        clocks: &Clocks,
    ) -> Report {
        let asked = report::Asked {
            photos: load(self, benchmark).count(),
            warm_up_s: self.warm_up_s,
        };
        report::report(plan, asked, runs, clocks)
    }

    fn predict(
        &self,
        report: &mut Report,
        plan: &Plan,
        runs: &[NodeRun],
        clocks: &Clocks,
        hops: &Hops,
    ) {
        let senders = Sender::all(plan.mode, runs, clocks, self.warm_up_s);
        prediction::add(report, &senders, clocks, hops);
    }
}
