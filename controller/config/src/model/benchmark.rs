//! What is run: what every application has, and which one it is.

use super::{
    Config,
    container::Container,
    empty::Empty,
    field::{Access, Field},
    functions::{FunctionSpec, Functions},
    image_classification::ImageClassification,
    keys::{CfgUnit, Key, Kind, Purpose, both, key, unit},
    mem_usage::MemUsage,
    stress::Stress,
};
use crate::{
    choices::{ApplicationKind, Choice, KubeDeployment, ManagerKind},
    entry::Value,
    function_load::FunctionLoad,
    timeline::TimelineStep,
};
use continuum_model::{Mode, UserImage};
use serde::{Serialize, Serializer};

#[derive(Debug, Clone, PartialEq)]
pub struct Benchmark {
    /// Cores of each worker application.
    pub worker_cores: f64,
    /// Memory of each worker application.
    pub worker_memory_mib: u64,
    /// Cores of each endpoint application.
    pub endpoint_cores: f64,
    /// Memory of each endpoint application.
    pub endpoint_memory_mib: u64,
    /// Worker applications on each worker.
    pub applications_per_worker: u32,
    /// Start workers once before measuring.
    pub cache_worker: bool,
    /// What carries worker applications; `None` = the manager does not ask.
    pub kube_deployment: Option<KubeDeployment>,
    pub duration_s: f64,
    /// What happens while it runs.
    pub timeline: Vec<TimelineStep>,
    pub application: ApplicationConfig,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ApplicationConfig {
    ImageClassification(ImageClassification),
    /// Nothing but a start and an end.
    Empty(Empty),
    /// The user's own containers.
    Container(Container),
    /// Functions through a gateway.
    Functions(Functions),
    /// A busy core.
    Stress(Stress),
    /// Memory that running takes.
    MemUsage(MemUsage),
}

impl Benchmark {
    /// As it is where the config says nothing but its application: what it may use follows from the machines.
    pub fn usual(kind: ApplicationKind, config: &Config) -> Self {
        let tiers = &config.infrastructure.tiers;
        let worker = match config.mode() {
            Mode::Cloud => &tiers.cloud,
            Mode::Edge => &tiers.edge,
            Mode::Endpoint => &tiers.endpoint,
        };
        let model = config.software.execution_model;
        let function = model.map(|_| FunctionSpec::default());
        let manager = config.software.resource_manager;
        let is_spread = manager == ManagerKind::KubeControl;
        Self {
            worker_cores: (f64::from(worker.cores) - 0.5).max(0.5),
            worker_memory_mib: worker.memory_mib.saturating_sub(512).max(256),
            endpoint_cores: tiers.endpoint.cores.into(),
            endpoint_memory_mib: tiers.endpoint.memory_mib,
            applications_per_worker: 1,
            cache_worker: false,
            kube_deployment: is_spread.then(KubeDeployment::default),
            duration_s: 300.0,
            timeline: Vec::new(),
            application: match kind {
                ApplicationKind::ImageClassification => {
                    ApplicationConfig::ImageClassification(ImageClassification {
                        function,
                        ..ImageClassification::default()
                    })
                }
                ApplicationKind::Empty => ApplicationConfig::Empty(Empty::default()),
                ApplicationKind::Container => ApplicationConfig::Container(Container::default()),
                ApplicationKind::Functions => ApplicationConfig::Functions(Functions {
                    function,
                    ..Functions::default()
                }),
                ApplicationKind::Stress => ApplicationConfig::Stress(Stress::default()),
                ApplicationKind::MemUsage => ApplicationConfig::MemUsage(MemUsage),
            },
        }
    }

    /// Which application.
    pub fn kind(&self) -> ApplicationKind {
        match &self.application {
            ApplicationConfig::ImageClassification(_) => ApplicationKind::ImageClassification,
            ApplicationConfig::Empty(_) => ApplicationKind::Empty,
            ApplicationConfig::Container(_) => ApplicationKind::Container,
            ApplicationConfig::Functions(_) => ApplicationKind::Functions,
            ApplicationConfig::Stress(_) => ApplicationKind::Stress,
            ApplicationConfig::MemUsage(_) => ApplicationKind::MemUsage,
        }
    }

    /// Directory of the user's own photos.
    pub fn dataset(&self) -> Option<&str> {
        match &self.application {
            ApplicationConfig::ImageClassification(own) => own.dataset.as_deref(),
            ApplicationConfig::Functions(own) => own.dataset.as_deref(),
            _ => None,
        }
    }

    /// Images of the user's own.
    pub fn images(&self) -> impl Iterator<Item = &UserImage> {
        let own = match &self.application {
            ApplicationConfig::Container(own) => Some([&own.worker, &own.endpoint]),
            _ => None,
        };
        own.into_iter().flatten()
    }

    /// How functions run.
    pub fn function(&self) -> FunctionSpec {
        self.own_function().copied().unwrap_or_default()
    }

    pub(super) fn own_function(&self) -> Option<&FunctionSpec> {
        match &self.application {
            ApplicationConfig::ImageClassification(own) => own.function.as_ref(),
            ApplicationConfig::Functions(own) => own.function.as_ref(),
            _ => None,
        }
    }

    pub(super) fn function_mut(&mut self) -> Option<&mut FunctionSpec> {
        match &mut self.application {
            ApplicationConfig::ImageClassification(own) => own.function.as_mut(),
            ApplicationConfig::Functions(own) => own.function.as_mut(),
            _ => None,
        }
    }
}

/// As results have it: fields of all applications side by side.
#[derive(Default, Serialize)]
struct Flat<'a> {
    application: ApplicationKind,
    worker_cores: f64,
    worker_memory_mib: u64,
    endpoint_cores: f64,
    endpoint_memory_mib: u64,
    applications_per_worker: u32,
    cache_worker: bool,
    kube_deployment: Option<KubeDeployment>,
    frequency: f64,
    duration_s: f64,
    warm_up_s: f64,
    sleep_time_s: f64,
    stress_timeout_s: f64,
    dataset: Option<&'a str>,
    worker: UserImage,
    endpoint: UserImage,
    ports: &'a [String],
    timeline: &'a [TimelineStep],
    functions: &'a [FunctionLoad],
    function: FunctionSpec,
}

impl Serialize for Benchmark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut flat = Flat {
            application: self.kind(),
            worker_cores: self.worker_cores,
            worker_memory_mib: self.worker_memory_mib,
            endpoint_cores: self.endpoint_cores,
            endpoint_memory_mib: self.endpoint_memory_mib,
            applications_per_worker: self.applications_per_worker,
            cache_worker: self.cache_worker,
            kube_deployment: self.kube_deployment,
            duration_s: self.duration_s,
            dataset: self.dataset(),
            timeline: &self.timeline,
            function: self.function(),
            ..Flat::default()
        };
        match &self.application {
            ApplicationConfig::ImageClassification(own) => {
                (flat.frequency, flat.warm_up_s) = (own.frequency, own.warm_up_s);
            }
            ApplicationConfig::Empty(own) => flat.sleep_time_s = own.sleep_time_s,
            ApplicationConfig::Container(own) => {
                flat.frequency = own.frequency;
                (flat.worker, flat.endpoint) = (own.worker.clone(), own.endpoint.clone());
                flat.ports = &own.ports;
            }
            ApplicationConfig::Functions(own) => flat.functions = &own.functions,
            ApplicationConfig::Stress(own) => flat.stress_timeout_s = own.timeout_s,
            ApplicationConfig::MemUsage(_) => {}
        }
        flat.serialize(serializer)
    }
}

/// Access to what every application has.
macro_rules! run {
    ($field:ident) => {
        Access {
            put: |config, value| {
                if let Some(run) = &mut config.benchmark {
                    run.$field.put(value);
                }
            },
            get: |config| config.benchmark.as_ref()?.$field.get(),
        }
    };
}

const NO_APPLICATION: &str =
    "this application is not built in; application container runs images of your own";

pub(crate) const RUN: [Key; 7] = [
    both(
        "benchmark.application",
        "benchmark",
        "application",
        Kind::Choice(
            ApplicationKind::NAMES,
            &[
                ("empty_kata", NO_APPLICATION),
                ("signal_classification", NO_APPLICATION),
                ("opencraft", NO_APPLICATION),
            ],
        ),
        "what is run; required unless resource_manager_only",
    )
    .at(Access {
        put: |config, value| {
            if let Value::Text(name) = value
                && let Some(kind) = ApplicationKind::of(name)
            {
                config.benchmark = Some(Benchmark::usual(kind, config));
            }
        },
        get: |config| config.benchmark.as_ref()?.kind().get(),
    }),
    both(
        "benchmark.worker_cores",
        "benchmark",
        "application_worker_cpu",
        Kind::Float(0.001, 1024.0),
        "cores of each worker application (the worker's, less 0.5)",
    )
    .at(run!(worker_cores))
    .of(Purpose::Workers),
    unit(
        "benchmark.worker_memory_mib",
        "benchmark",
        "application_worker_memory",
        CfgUnit::Gigabytes,
        Kind::Mib(1.0, 16_777_216.0),
        "memory of each worker application (the worker's, less 512)",
    )
    .at(run!(worker_memory_mib))
    .of(Purpose::Workers),
    both(
        "benchmark.endpoint_cores",
        "benchmark",
        "application_endpoint_cpu",
        Kind::Float(0.001, 1024.0),
        "cores of each endpoint application (the endpoint's)",
    )
    .at(Access {
        put: run!(endpoint_cores).put,
        get: |config| {
            let is_there = config.infrastructure.tiers.endpoint.nodes > 0;
            is_there.then(|| config.benchmark.as_ref()?.endpoint_cores.get())?
        },
    })
    .of(Purpose::Endpoints),
    unit(
        "benchmark.endpoint_memory_mib",
        "benchmark",
        "application_endpoint_memory",
        CfgUnit::Gigabytes,
        Kind::Mib(1.0, 16_777_216.0),
        "memory of each endpoint application (the endpoint's)",
    )
    .at(Access {
        put: run!(endpoint_memory_mib).put,
        get: |config| {
            let is_there = config.infrastructure.tiers.endpoint.nodes > 0;
            is_there.then(|| config.benchmark.as_ref()?.endpoint_memory_mib.get())?
        },
    })
    .of(Purpose::Endpoints),
    both(
        "benchmark.applications_per_worker",
        "benchmark",
        "applications_per_worker",
        Kind::Int(1, 10_000),
        "worker applications on each worker (1)",
    )
    .at(run!(applications_per_worker)),
    both(
        "benchmark.cache_worker",
        "benchmark",
        "cache_worker",
        Kind::Bool,
        "start workers once before measuring (false)",
    )
    .at(run!(cache_worker)),
];

pub(crate) const LENGTH: [Key; 1] = [both(
    "benchmark.duration_s",
    "benchmark",
    "duration",
    Kind::Float(0.1, 864_000.0),
    "length in seconds (300)",
)
.at(run!(duration_s))];

pub(crate) const TIMELINE: [Key; 1] = [key(
    "benchmark.timeline",
    Kind::Timeline,
    "what happens while it runs, in seconds after the endpoints began (nothing)",
)
.at(run!(timeline))];

const FRESH_IMAGES: &str =
    "images come from the store by digest, so that none is older than what was asked for";
const ONLY_KATA: &str = "it is of resource manager kube_kata, which is not supported";

/// Those of upstream that are accepted and have no effect.
pub(crate) const IDLE: [Key; 3] = [
    both(
        "benchmark.docker_pull",
        "benchmark",
        "docker_pull",
        Kind::Bool,
        "of no effect: no image is older than what was asked for",
    )
    .without_effect("false", FRESH_IMAGES),
    both(
        "benchmark.runtime",
        "benchmark",
        "runtime",
        Kind::Text,
        "of no effect: upstream's choice between runc and Kata containers",
    )
    .without_effect("runc", ONLY_KATA),
    both(
        "benchmark.runtime_filesystem",
        "benchmark",
        "runtime_filesystem",
        Kind::Text,
        "of no effect: upstream's file system of Kata containers",
    )
    .without_effect("overlayfs", ONLY_KATA),
];
