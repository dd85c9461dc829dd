//! The checked config.

use continuum_model::{Link, Mode, PerTier, Tier, TierPair, UserImage};
use serde::Serialize;

/// The whole config.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Deployment name: letters, digits, `-`, `_`.
    pub name: String,
    /// Machines.
    pub infrastructure: Infrastructure,
    /// Links between tiers.
    pub network: Network,
    /// What is installed.
    pub software: Software,
    /// What is run; `None` when only machines are wanted.
    pub benchmark: Option<Benchmark>,
}

/// Machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Infrastructure {
    /// `qemu` or `local`.
    pub provider: String,
    /// Stop after machines and network.
    pub infra_only: bool,
    /// By tier.
    pub tiers: PerTier<TierSpec>,
    /// What differs for the first cloud node when it is the controller.
    pub controller: ControllerSpec,
    /// Pin virtual cores to physical ones.
    pub cpu_pin: bool,
    /// First two numbers of addresses; `None` = the provider's own choice.
    pub prefix_ip: Option<String>,
    /// Third number; `None` = the first free one from 100 on.
    pub middle_ip: Option<u8>,
    /// Keep everything after `run`.
    pub keep: bool,
    /// Libvirt connection.
    pub libvirt_uri: String,
    /// An existing bridge of the host instead of a network of our own.
    pub bridge: Option<String>,
    /// `auto`, `kvm` or `tcg`.
    pub accelerator: String,
    /// Nodes may reach beyond their network.
    pub internet: bool,
}

/// Machines of one tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TierSpec {
    /// How many.
    pub nodes: u32,
    /// Virtual cores each.
    pub cores: u32,
    /// Memory each.
    pub memory_mib: u64,
    /// Share of each core, 0.1..1.
    pub quota: f64,
    /// 0 = no limit.
    pub disk_read_mb_s: u64,
    /// 0 = no limit.
    pub disk_write_mb_s: u64,
}

/// Overrides for the controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ControllerSpec {
    /// Virtual cores.
    pub cores: Option<u32>,
    /// Memory.
    pub memory_mib: Option<u64>,
    /// Share of each core.
    pub quota: Option<f64>,
}

/// Links between tiers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Network {
    /// `none`, `4g` or `5g`.
    pub preset: String,
    /// One per pair, in the order of [`TierPair::ALL`]; empty = no emulation.
    pub links: Vec<(TierPair, Link)>,
}

impl Network {
    /// Whether links are emulated.
    pub fn is_emulated(&self) -> bool {
        !self.links.is_empty()
    }

    /// Between two tiers, in either order.
    pub fn link(&self, a: Tier, b: Tier) -> Option<&Link> {
        self.links
            .iter()
            .find(|(pair, _)| *pair == TierPair(a, b) || *pair == TierPair(b, a))
            .map(|(_, link)| link)
    }
}

/// What is installed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Software {
    /// `none`, `mist`, `kubernetes`, `kubeedge`.
    pub resource_manager: String,
    /// Install it and run nothing.
    pub resource_manager_only: bool,
    /// `rumqttd` or `mosquitto`.
    pub broker: String,
    /// Operating services beyond those the manager asks for.
    pub services: Vec<String>,
    /// `native`, `containerd`, `docker`: where agents run applications.
    pub container_runtime: String,
    /// `openfaas`, if any.
    pub execution_model: Option<String>,
    /// For `openfaas`: `builtin` or `upstream`.
    pub openfaas: String,
    /// For distribution `upstream`: its terms were read.
    pub accept_openfaas_terms: bool,
    /// For distribution `upstream`: `NAME=IMAGE` of its programs.
    pub openfaas_images: Vec<String>,
    /// Connections that each broker admits.
    pub max_connections: u32,
    /// As v1.35.4; `None` = the catalogue's default.
    pub kube_version: Option<String>,
    /// `external` or `internal`: the MQTT broker that `KubeEdge`'s edges use.
    pub event_bus: String,
}

/// Applications as processes of the agents.
pub const NATIVE: &str = "native";

impl Software {
    /// The runtime that agents put applications into; `None` = they are processes.
    pub fn runtime(&self) -> Option<&str> {
        Some(&*self.container_runtime).filter(|r| *r != NATIVE)
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Benchmark {
    /// `image_classification`, `empty`, `container`.
    pub application: String,
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
    /// Photos per second and endpoint.
    pub frequency: f64,
    /// Length.
    pub duration_s: f64,
    /// For `empty`.
    pub sleep_time_s: f64,
    /// Directory of the user's own photos.
    pub dataset: Option<String>,
    /// For `container`: what workers run.
    pub worker: UserImage,
    /// For `container`: what endpoints run.
    pub endpoint: UserImage,
    /// For `container`: TCP ports of workers.
    pub ports: Vec<String>,
    /// What happens while it runs, one `SECONDS ACTION` each.
    pub timeline: Vec<String>,
    /// Functions that are called, one `NAME FREQUENCY [PARAMETERS]` each.
    pub functions: Vec<String>,
    /// How functions run.
    pub function: FunctionSpec,
}

/// How functions run and are called.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionSpec {
    /// The next call waits for the answer.
    pub is_closed_loop: bool,
    /// Loaded or started anew for each call.
    pub per_request: bool,
    /// Fewest replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// Idle time until there is none; 0 = there always is one.
    pub zero_after_s: f64,
}

/// A function with how often it is called and with what.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionLoad {
    /// Name.
    pub name: String,
    /// Calls per second and endpoint.
    pub frequency_hz: f64,
    /// JSON.
    pub parameters: String,
}

impl std::str::FromStr for FunctionLoad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let how = "write it as NAME FREQUENCY or NAME FREQUENCY {\"PARAMETER\":VALUE}";
        let mut words = text.trim().splitn(3, char::is_whitespace);
        let name = words.next().unwrap_or_default().to_owned();
        let frequency = words.next().unwrap_or_default();
        let frequency_hz = frequency
            .parse()
            .ok()
            .filter(|f| (0.001..=100_000.0).contains(f))
            .ok_or_else(|| {
                format!("`{text}`: `{frequency}` is not calls per second, 0.001 to 100000; {how}")
            })?;
        let parameters = words.next().unwrap_or("{}").trim().to_owned();
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&parameters)
            .map_err(|e| format!("`{text}`: its parameters are not JSON: {e}; {how}"))?;
        Ok(Self {
            name,
            frequency_hz,
            parameters,
        })
    }
}

impl Config {
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
