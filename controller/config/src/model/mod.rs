//! The checked config. What a provider, a manager, an execution model or an application has for itself is in a file each,
//! its options beside its fields; options of one table are shown in the order of the list in `options`.

mod benchmark;
mod container;
mod empty;
pub(crate) mod field;
mod functions;
mod image_classification;
pub(crate) mod keys;
mod kubecontrol;
mod kubeedge;
mod kubernetes;
mod mem_usage;
mod network;
mod observability;
mod openfaas;
mod qemu;
mod stress;

pub use benchmark::{ApplicationConfig, Benchmark};
pub use container::Container;
pub use empty::Empty;
pub use functions::{FunctionSpec, Functions};
pub use image_classification::ImageClassification;
pub use kubeedge::KubeEdge;
pub use kubernetes::Kubernetes;
pub use mem_usage::MemUsage;
pub use network::{Direction, LinkTable, Network, OneWay, TraceSource};
pub use observability::Observability;
pub use openfaas::OpenFaas;
pub use qemu::Qemu;
pub use stress::Stress;

pub(crate) use benchmark::{IDLE, LENGTH, RUN, TIMELINE};
pub(crate) use container::OPTIONS as CONTAINER;
pub(crate) use empty::OPTIONS as EMPTY;
pub(crate) use functions::OPTIONS as FUNCTIONS;
pub(crate) use image_classification::{LOAD, PHOTOS};
pub(crate) use kubecontrol::OPTIONS as KUBECONTROL;
pub(crate) use kubeedge::OPTIONS as KUBEEDGE;
pub(crate) use kubernetes::OPTIONS as KUBERNETES;
pub(crate) use observability::OPTIONS as OBSERVABILITY;
pub(crate) use openfaas::OPTIONS as OPENFAAS;
pub(crate) use qemu::OPTIONS as QEMU;
pub(crate) use stress::OPTIONS as STRESS;

use crate::choices::{Broker, ExecutionModelKind, ManagerKind, ProviderKind, Runtime};
use continuum_model::{Mode, PerTier, Prefixes};
use serde::Serialize;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    /// Deployment name: letters, digits, `-`, `_`.
    pub name: String,
    pub infrastructure: Infrastructure,
    /// Links between tiers.
    pub network: Network,
    pub software: Software,
    /// What is run; `None` when only machines are wanted.
    pub benchmark: Option<Benchmark>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Infrastructure {
    /// Where they come from.
    pub provider: ProviderKind,
    /// Stop after machines and network.
    pub infra_only: bool,
    pub tiers: PerTier<TierSpec>,
    /// What differs for the first cloud node when it is the controller.
    pub controller: ControllerSpec,
    /// Pin virtual cores to physical ones.
    pub cpu_pin: bool,
    /// First two numbers of addresses; `None` = the provider's own choice.
    pub prefix_ip: Option<Prefixes>,
    /// Third number; `None` = the first free one from 100 on.
    pub middle_ip: Option<u8>,
    /// Keep everything after `run`.
    pub keep: bool,
    /// An existing bridge of the host instead of a network of our own.
    pub bridge: Option<String>,
    /// For provider `qemu`.
    #[serde(flatten)]
    pub qemu: Qemu,
    /// Nodes may reach beyond their network.
    pub internet: bool,
    /// Measure every link and every node instead of some.
    pub netperf: bool,
    /// More hosts, as `USER@HOST`.
    pub external_physical_machines: Vec<String>,
}

/// Machines of one tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TierSpec {
    /// How many.
    pub nodes: u32,
    /// Virtual cores each.
    pub cores: u32,
    pub memory_mib: u64,
    /// Share of each core, 0.1..1.
    pub quota: f64,
    /// 0 = no limit.
    pub disk_read_mb_s: u64,
    /// 0 = no limit.
    pub disk_write_mb_s: u64,
}

impl Default for TierSpec {
    fn default() -> Self {
        Self {
            nodes: 0,
            cores: 0,
            memory_mib: 0,
            quota: 1.0,
            disk_read_mb_s: 0,
            disk_write_mb_s: 0,
        }
    }
}

/// Overrides for the controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ControllerSpec {
    pub cores: Option<u32>,
    pub memory_mib: Option<u64>,
    /// Share of each core.
    pub quota: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Software {
    /// Who places applications.
    pub resource_manager: ManagerKind,
    /// Install it and run nothing.
    pub resource_manager_only: bool,
    /// MQTT broker of each worker.
    pub broker: Broker,
    /// Operating services beyond those the manager asks for.
    pub services: Vec<String>,
    /// Where agents run applications.
    pub container_runtime: Runtime,
    /// `openfaas`, if any.
    pub execution_model: Option<ExecutionModelKind>,
    /// Who looks at it.
    pub observability: Observability,
    /// For `openfaas`.
    #[serde(flatten)]
    pub openfaas: OpenFaas,
    /// Connections that each broker admits.
    pub max_connections: u32,
    /// For managers with a control plane.
    #[serde(flatten)]
    pub kubernetes: Kubernetes,
    /// For manager `kubeedge`.
    #[serde(flatten)]
    pub kubeedge: KubeEdge,
}

impl Default for Software {
    fn default() -> Self {
        Self {
            resource_manager: ManagerKind::default(),
            resource_manager_only: false,
            broker: Broker::default(),
            services: Vec::new(),
            container_runtime: Runtime::default(),
            execution_model: None,
            observability: Observability::default(),
            openfaas: OpenFaas::default(),
            max_connections: 1000,
            kubernetes: Kubernetes::default(),
            kubeedge: KubeEdge::default(),
        }
    }
}

impl Software {
    /// The runtime that agents put applications into; `None` = they are processes.
    pub fn runtime(&self) -> Option<Runtime> {
        Some(self.container_runtime).filter(|r| *r != Runtime::Native)
    }
}

impl Config {
    /// What a bench runs; none where a config asks for machines alone, whatever it says of an application.
    pub fn wanted_benchmark(&self) -> Option<&Benchmark> {
        let is_for_machines = self.software.resource_manager_only || self.infrastructure.infra_only;
        self.benchmark.as_ref().filter(|_| !is_for_machines)
    }

    /// Edge if there are edge nodes, else cloud, else endpoint.
    pub fn mode(&self) -> Mode {
        let tiers = &self.infrastructure.tiers;
        if tiers.edge.nodes > 0 {
            Mode::Edge
        } else if tiers.cloud.nodes > 0 {
            Mode::Cloud
        } else {
            Mode::Endpoint
        }
    }
}
