//! What docs/extending.md says a new thing of each kind is, done for things that exist here only: a change to one of
//! these interfaces does not compile until this file follows. Their kinds are those of real things, as a config may name no
//! others.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use continuum_config::{
    Benchmark, Checked, Config, ConfigError, ExecutionModelKind, Findings, ManagerKind,
};
use continuum_host::{context::Context, error::Error, keys::Secrets, state::Deployment};
use continuum_model::{
    Cell, Clocks, Component, NodePlan, NodeRun, Phase, Plan, Prefix, Prefixes, Report, Role,
    RunPlan, Table,
};
use continuum_plan::{
    applications::Application,
    execution_models::ExecutionModel,
    managers::{Needs, ResourceManager},
    services::Service,
};
use continuum_provider::{
    Allow, Capabilities, CoresOfAProgram, Fitness, LimitReport, MachineState, NodeState, Provider,
    likely_prefix,
};
use continuum_workload_core::spec::{Role as Does, RunSpec, Sleep};

const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"auto\"\nedge = { nodes = 2, cores = 1, memory_mib = \
                      512 }\nendpoint = { nodes = 2, cores = 1, memory_mib = 512 }\n[software]\nresource_manager = \
                      \"mist\"\n[benchmark]\napplication = \"empty\"\nduration_s = 20\n";

/// By the rules of the things of this file.
fn parse(text: &str) -> Result<Checked, ConfigError> {
    continuum_config::parse(text, "d.toml", false, "d", &[], |config, findings| {
        for (path, why) in Alone.check(config).into_iter().chain(Lambda.check(config)) {
            findings.fault(path, why);
        }
        if let Some(benchmark) = &config.benchmark {
            Beacon { every_s: 3.0 }.check(config, benchmark, findings);
        }
    })
}

fn config() -> Config {
    parse(CONFIG).unwrap().config
}

/// Machines on paper.
#[derive(Debug)]
struct Paper;

#[async_trait::async_trait]
impl Provider for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            summary: "machines on paper",
            emulates_network: false,
            has_machines: true,
            needs_namespace: false,
            cores_of_a_program: CoresOfAProgram::All,
            default_prefixes: Prefixes::new(10, 99),
        }
    }
    async fn fitness(&self, _: &Context, _libvirt_uri: &str) -> Fitness {
        Fitness::Native("there is paper".into())
    }
    async fn is_taken(&self, _: &Context, _: &Config, _: Prefix) -> Result<bool, Error> {
        Ok(false)
    }
    async fn preflight(&self, _: &Context, _: &Config, _: &Plan, _: Allow) -> Vec<String> {
        Vec::new()
    }
    async fn reserve_prefix(
        &self,
        _: &Context,
        _: &Config,
        _: &Plan,
        _: &Secrets,
        _: &mut Deployment,
    ) -> Result<(), Error> {
        Ok(())
    }
    async fn create(
        &self,
        _: &Context,
        _: &Config,
        _: &Plan,
        _: &Secrets,
        _: &mut Deployment,
    ) -> Result<(), Error> {
        Ok(())
    }
    async fn apply_limits(
        &self,
        _: &Context,
        _: &Plan,
        _: &Deployment,
    ) -> Result<Vec<LimitReport>, Error> {
        Ok(Vec::new())
    }
    async fn destroy(&self, _: &Context, _: &mut Deployment) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
    async fn destroy_orphans(
        &self,
        _: &Context,
        name: &str,
        _libvirt_uri: &str,
    ) -> Result<Vec<String>, Error> {
        Ok(vec![format!("sheet {name}")])
    }
    async fn states(&self, _: &Context, deployment: &Deployment) -> Result<Vec<NodeState>, Error> {
        Ok(vec![NodeState {
            node: deployment.name().to_owned(),
            state: MachineState::Running,
        }])
    }
    async fn console(&self, _: &Context, _: &Deployment, _node: &str) -> Option<String> {
        None
    }
}

#[test]
fn a_provider_gives_a_plan_its_addresses() {
    let provider: &dyn Provider = &Paper;
    let plan = continuum_plan::plan(&config(), likely_prefix(provider, &config()));
    assert_eq!(provider.name(), "paper");
    assert_eq!(plan.nodes[0].address.to_string(), "10.99.100.2");
}

/// Each node works alone.
#[derive(Debug)]
struct Alone;

impl ResourceManager for Alone {
    fn kind(&self) -> ManagerKind {
        ManagerKind::None
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let clouds = config.infrastructure.tiers.cloud.nodes;
        let is_wrong = clouds > 0;
        let fault = || {
            let why = format!("alone there are no cloud nodes, not {clouds}");
            ("infrastructure.cloud.nodes", why)
        };
        is_wrong.then(fault).into_iter().collect()
    }
    fn has_controller(&self) -> bool {
        false
    }
    fn needs(&self, node: &NodePlan) -> Needs {
        Needs {
            services: vec![Cache.name()],
            memory_floor_mib: 64,
            has_broker: node.role == Role::Worker,
        }
    }
    fn missing(&self, _config: &Config) -> Option<&'static str> {
        None
    }
}

/// A service with one option.
#[derive(Debug)]
struct Cache;

impl Service for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }
    fn component(&self, config: &Config) -> Component {
        Component {
            name: self.name(),
            options: vec![("connections", config.software.max_connections.to_string())],
            extras: None,
            from_store: None,
        }
    }
}

#[test]
fn a_manager_and_a_service_say_what_nodes_get() {
    let manager: &dyn ResourceManager = &Alone;
    let plan = continuum_plan::plan(&config(), Prefix::from([10, 0, 0]));
    let needs: Vec<Needs> = plan.nodes.iter().map(|n| manager.needs(n)).collect();
    let brokers: Vec<bool> = needs.iter().map(|n| n.has_broker).collect();
    assert_eq!(brokers, [true, true, false, false]);
    assert!(!manager.runs_in_pods() && manager.cluster().is_none());
    let service: &dyn Service = &Cache;
    assert_eq!(needs[0].services, [service.name()]);
    assert_eq!(
        service.component(&config()).options,
        [("connections", "1000".to_owned())]
    );
    let cloudy = CONFIG.replace(
        "edge = {",
        "cloud = { nodes = 1, cores = 1, memory_mib = 512 }\nedge = {",
    );
    let error = parse(&cloudy).unwrap_err().to_string();
    assert!(
        error.contains(
            "d.toml:4: infrastructure.cloud.nodes: alone there are no cloud nodes, not 1"
        ),
        "{error}"
    );
}

/// A functions' platform.
#[derive(Debug)]
struct Lambda;

impl ExecutionModel for Lambda {
    fn kind(&self) -> ExecutionModelKind {
        ExecutionModelKind::OpenFaas
    }
    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let model = config.software.execution_model;
        let fault = model.map(|m| ("software.execution_model", format!("{m} is not lambda")));
        fault.into_iter().collect()
    }
    fn components(&self, _config: &Config) -> &'static [&'static str] {
        &["lambda-images"]
    }
}

#[test]
fn an_execution_model_has_rules_and_components() {
    let model: &dyn ExecutionModel = &Lambda;
    assert_eq!(model.components(&config()), ["lambda-images"]);
    let text = CONFIG.replace("\"mist\"\n", "\"mist\"\nexecution_model = \"openfaas\"\n");
    let error = parse(&text).unwrap_err().to_string();
    assert!(
        error.contains("d.toml:8: software.execution_model: openfaas is not lambda"),
        "{error}"
    );
}

/// An application with an option of its own.
#[derive(Debug)]
struct Beacon {
    every_s: f64,
}

impl Application for Beacon {
    fn check(&self, _config: &Config, benchmark: &Benchmark, findings: &mut Findings<'_>) {
        if benchmark.duration_s < self.every_s {
            let why = format!("is shorter than the {} s between two beacons", self.every_s);
            findings.fault("benchmark.duration_s", why);
        }
    }
    fn runs(&self, plan: &Plan, benchmark: &Benchmark) -> Vec<RunPlan> {
        let endpoints = plan.nodes.iter().filter(|n| n.role == Role::Endpoint);
        let run = |node: &NodePlan| RunPlan {
            id: node.name.clone(),
            node: node.name.clone(),
            phase: Phase::Endpoint,
            spec: RunSpec {
                application: "beacon".into(),
                node: node.name.clone(),
                role: Does::Sleep(Sleep {
                    sleep_s: self.every_s,
                }),
            },
            cpu_cores: benchmark.endpoint_cores,
            memory_mib: benchmark.endpoint_memory_mib,
            connected_to: None,
            own: None,
        };
        endpoints.map(run).collect()
    }
    fn deadline_s(&self, benchmark: &Benchmark) -> f64 {
        benchmark.duration_s + self.every_s
    }
    fn report(&self, _: &Plan, _: &Benchmark, runs: &[NodeRun], _: &Clocks) -> Report {
        let mut table = Table::new("beacons.csv", "BEACON OUTPUT", &["node"]);
        for run in runs {
            table.row(vec![Cell::Text(run.plan.node.clone())]);
        }
        let mut report = Report::default();
        report.tables.push(table);
        report
    }
}

#[test]
fn an_application_says_what_runs_where_and_what_came_of_it() {
    let application: &dyn Application = &Beacon { every_s: 3.0 };
    let config = config();
    let benchmark = config.benchmark.as_ref().unwrap();
    let plan = continuum_plan::plan(&config, Prefix::from([10, 0, 0]));
    let runs = application.runs(&plan, benchmark);
    let nodes: Vec<&str> = runs.iter().map(|run| &*run.node).collect();
    assert_eq!(nodes, ["endpoint0", "endpoint1"]);
    assert!((application.deadline_s(benchmark) - 23.0).abs() < 1e-9);
    assert!(!application.may_call_functions());
    let report = application.report(&plan, benchmark, &[], &Clocks::new());
    assert_eq!(report.tables[0].to_csv().trim(), ",node");
    let error = parse(&CONFIG.replace("= 20", "= 2"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "d.toml:10: benchmark.duration_s: is shorter than the 3 s between two beacons"
        ),
        "{error}"
    );
}
