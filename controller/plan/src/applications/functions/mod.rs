//! `functions`: endpoints call functions through the gateway, several at once.

pub(super) mod report;

use super::{Application, options_of_workers};
use continuum_config::{Benchmark, Config, Findings, FunctionLoad, Functions};
use continuum_model::{Clocks, NodeRun, Phase, Plan, Report, RunPlan, Tier};
use continuum_workload_core::spec::{
    CallBody, FunctionCalls, Invoker, Load, Role as Does, RunSpec,
};

/// One call may take so long: longer than the gateway waits for a function.
const CALL_TIMEOUT_S: f64 = 330.0;
/// The function that classifies photos.
pub const IMAGE: &str = "image";
/// Those of the suite.
pub const SUITE: [&str; 5] = ["fibonacci", "io", "matrix", "memory", "sleep"];
/// Every call is a line in a file.
const MOST_CALLS: f64 = 10_000_000.0;

/// One run on each endpoint, which calls everything.
pub(super) fn runs(plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
    let functions: Vec<FunctionCalls> = super::of(benchmark)
        .function_loads()
        .into_iter()
        .map(|load| FunctionCalls {
            body: if load.name == IMAGE {
                CallBody::Photos {
                    dataset: plan.dataset.clone(),
                }
            } else {
                CallBody::Text {
                    text: load.parameters,
                }
            },
            function: load.name,
            load: Load {
                frequency_hz: load.frequency_hz,
                duration_s: benchmark.duration_s,
                grace_s: CALL_TIMEOUT_S,
            },
            is_closed_loop: benchmark.function().is_closed_loop,
        })
        .collect();
    let endpoints = plan.nodes.iter().filter(|n| n.tier == Tier::Endpoint);
    endpoints
        .map(|node| RunPlan {
            id: node.name.clone(),
            node: node.name.clone(),
            phase: Phase::Endpoint,
            spec: RunSpec {
                application: "functions".into(),
                node: node.name.clone(),
                role: Does::Invoker(Invoker {
                    gateway: plan.gateway_address().unwrap_or_default(),
                    functions: functions.clone(),
                    timeout_s: CALL_TIMEOUT_S,
                }),
            },
            cpu_cores: benchmark.endpoint_cores,
            memory_mib: benchmark.endpoint_memory_mib,
            connected_to: Some(0),
            own: None,
        })
        .collect()
}

/// Longest time of all of it.
pub(super) fn deadline_s(benchmark: &Benchmark) -> f64 {
    let busiest = super::of(benchmark)
        .function_loads()
        .iter()
        .map(|l| l.frequency_hz)
        .fold(0.0, f64::max);
    // In a closed loop each call waits for the one before.
    let waits = if benchmark.function().is_closed_loop {
        (busiest * benchmark.duration_s).ceil().max(1.0)
    } else {
        1.0
    };
    benchmark.duration_s + waits * CALL_TIMEOUT_S + 300.0
}

impl Application for Functions {
    fn may_call_functions(&self) -> bool {
        true
    }

    fn function_loads(&self) -> Vec<FunctionLoad> {
        self.functions.clone()
    }

    fn unused_options(&self, config: &Config) -> Vec<&'static str> {
        let mut all = options_of_workers(config);
        all.push("benchmark.applications_per_worker");
        all
    }

    fn check(&self, config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>) {
        let path = "benchmark.functions";
        if config.software.execution_model.is_none() {
            findings.fault(
                "software.execution_model",
                "is required for application functions: openfaas",
            );
        }
        if config.infrastructure.tiers.endpoint.nodes == 0 {
            findings.fault(
                "infrastructure.endpoint.nodes",
                "application functions needs an endpoint that calls them",
            );
        }
        if benchmark.cache_worker {
            findings.fault(
                "benchmark.cache_worker",
                "is not possible with functions: their replicas are there before they are called",
            );
        }
        if self.functions.is_empty() && !findings.is_wrong(path) {
            findings.fault(path, "is required for application functions");
        }
        for (row, load) in self.functions.iter().enumerate() {
            let name = &*load.name;
            if name != IMAGE && !SUITE.contains(&name) {
                let known = SUITE.join(", ");
                findings.fault_in_row(
                    path,
                    row,
                    format!("`{name}` is not one of {IMAGE}, {known}"),
                );
            } else if self.functions.iter().take(row).any(|l| l.name == name) {
                findings.fault_in_row(path, row, format!("`{name}` stands there twice"));
            }
        }
        let frequencies = self.functions.iter().map(|load| load.frequency_hz);
        let calls = frequencies.sum::<f64>() * benchmark.duration_s;
        if calls > MOST_CALLS {
            findings.fault(
                "benchmark.duration_s",
                format!("{calls:.0} calls are more than the {MOST_CALLS:.0} that one run can keep"),
            );
        }
    }

    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        runs(plan, benchmark)
    }

    fn deadline_s(&self, benchmark: &Benchmark) -> f64 {
        deadline_s(benchmark)
    }

    fn report(
        &self,
        _plan: &Plan,
        _benchmark: &Benchmark,
        runs: &[NodeRun],
        _clocks: &Clocks,
    ) -> Report {
        let mut report = Report::default();
        for run in runs.iter().filter(|r| !r.is_complete()) {
            let (id, node, how) = (&run.plan.id, &run.plan.node, run.how_ended());
            report
                .invalid
                .push(format!("run {id} on node {node} did not finish: {how}"));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 2\n\
        cores = 2\nmemory_mib = 2048\n[infrastructure.endpoint]\nnodes = 2\ncores = 1\nmemory_mib = 512\n[software]\n\
        resource_manager = \"kubernetes\"\nexecution_model = \"openfaas\"\n[benchmark]\napplication = \"functions\"\n\
        duration_s = 20\n";

    fn parse(functions: &str) -> Result<continuum_config::Checked, continuum_config::ConfigError> {
        let text = format!("{CONFIG}functions = [{functions}]\n");
        crate::parse(&text, "d.toml", false, "d", &[])
    }

    #[test]
    fn each_endpoint_calls_everything() {
        let config = parse(r#""image 0.5", "fibonacci 2 {\"n\": 20}""#)
            .unwrap()
            .config;
        let plan = crate::plan(&config, Prefix::from([192, 168, 100]));
        let benchmark = config.benchmark.as_ref().unwrap();
        let runs = runs(&plan, benchmark);
        assert_eq!(runs.len(), 2);
        let Does::Invoker(invoker) = &runs[1].spec.role else {
            panic!("no invoker")
        };
        assert_eq!(invoker.gateway, "192.168.100.2:8080");
        assert!(matches!(invoker.functions[0].body, CallBody::Photos { .. }));
        assert_eq!(invoker.functions[1].load.count(), 40);
        // The config that is kept is the same again.
        let again = crate::parse(&continuum_config::to_toml(&config), "s", false, "d", &[]);
        assert_eq!(again.unwrap().config, config);
    }

    #[test]
    fn bad_functions_are_named() {
        let faults = |functions: &str| parse(functions).unwrap_err().to_string();
        assert!(faults(r#""nothing 1""#).contains("`nothing`"));
        assert!(faults(r#""sleep""#).contains("calls per second"));
        assert!(faults(r#""sleep 1 {ms:2}""#).contains("not JSON"));
        assert!(faults(r#""sleep 1", "sleep 2""#).contains("twice"));
        assert!(faults("").contains("is required"));
    }
}
