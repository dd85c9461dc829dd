//! The table of options: the only place that names them, together with `run_options.rs`.

use super::{
    choices::{
        AcceleratorChoice, Broker, EventBus, ExecutionModelKind, ManagerKind, OpenFaasDistribution,
        Preset, Runtime,
    },
    keys::{CfgUnit, Key, Kind, both, key, unit},
    run_options::BENCHMARK,
};

const MANY: i64 = 1_000_000;
const MIB: Kind = Kind::Mib(64.0, 16_777_216.0);

macro_rules! tier {
    ($tier:literal) => {
        [
            both(
                concat!("infrastructure.", $tier, ".nodes"),
                "infrastructure",
                concat!($tier, "_nodes"),
                Kind::Int(0, 10_000),
                "how many machines (0)",
            ),
            both(
                concat!("infrastructure.", $tier, ".cores"),
                "infrastructure",
                concat!($tier, "_cores"),
                Kind::Int(1, 1024),
                "virtual cores of each; required with nodes",
            ),
            unit(
                concat!("infrastructure.", $tier, ".memory_mib"),
                "infrastructure",
                concat!($tier, "_memory"),
                CfgUnit::Gigabytes,
                MIB,
                "memory of each in MiB (in a .cfg: GB); required with nodes",
            ),
            both(
                concat!("infrastructure.", $tier, ".quota"),
                "infrastructure",
                concat!($tier, "_quota"),
                Kind::Float(0.1, 1.0),
                "share of each core (1.0; in a .cfg required)",
            ),
            both(
                concat!("infrastructure.", $tier, ".disk_read_mb_s"),
                "infrastructure",
                concat!($tier, "_read_speed"),
                Kind::Int(0, MANY),
                "disk read limit in MB/s, 0 = none (0)",
            ),
            both(
                concat!("infrastructure.", $tier, ".disk_write_mb_s"),
                "infrastructure",
                concat!($tier, "_write_speed"),
                Kind::Int(0, MANY),
                "disk write limit in MB/s, 0 = none (0)",
            ),
        ]
    };
}

macro_rules! pair {
    ($pair:literal, $cfg:literal) => {
        [
            both(
                concat!("network.", $pair, ".latency_ms"),
                "infrastructure",
                concat!($cfg, "_latency_avg"),
                Kind::Float(0.0, 60_000.0),
                "one-way latency (by preset)",
            ),
            both(
                concat!("network.", $pair, ".jitter_ms"),
                "infrastructure",
                concat!($cfg, "_latency_var"),
                Kind::Float(0.0, 60_000.0),
                "standard deviation of the latency (by preset)",
            ),
            both(
                concat!("network.", $pair, ".rate_mbit"),
                "infrastructure",
                concat!($cfg, "_throughput"),
                Kind::Float(0.001, 1_000_000.0),
                "rate in Mbit/s (by preset)",
            ),
            key(
                concat!("network.", $pair, ".loss_percent"),
                Kind::Float(0.0, 100.0),
                "packets lost in percent (0)",
            ),
        ]
    };
}

const NO_PROVIDER: &str =
    "machines of this provider are not supported; use auto, qemu, uml or local";
const NO_MANAGER: &str = "this resource manager needs patched Kubernetes binaries that are not published; use kubernetes";

const GENERAL: [Key; 31] = [
    key(
        "name",
        Kind::Text,
        "name of the deployment (name of the file)",
    ),
    both(
        "infrastructure.provider",
        "infrastructure",
        "provider",
        Kind::Choice(
            &["auto", "qemu", "uml", "local"],
            &[
                ("gcp", NO_PROVIDER),
                ("aws", NO_PROVIDER),
                ("baremetal", NO_PROVIDER),
            ],
        ),
        "where machines come from; auto: qemu where KVM boots a kernel, else uml, else qemu emulated; required",
    ),
    both(
        "infrastructure.infra_only",
        "infrastructure",
        "infra_only",
        Kind::Bool,
        "stop after machines and network (false)",
    ),
    both(
        "infrastructure.cpu_pin",
        "infrastructure",
        "cpu_pin",
        Kind::Bool,
        "pin each virtual core to a physical one (false)",
    ),
    both(
        "infrastructure.prefix_ip",
        "infrastructure",
        "prefixIP",
        Kind::Text,
        "first two numbers of addresses (192.168; local: 127.77)",
    ),
    both(
        "infrastructure.middle_ip",
        "infrastructure",
        "middleIP",
        Kind::Int(1, 254),
        "third number of addresses (first free one from 100)",
    ),
    both(
        "infrastructure.middle_ip_base",
        "infrastructure",
        "middleIP_base",
        Kind::Int(1, 254),
        "of no effect: there are no base machines",
    ),
    both(
        "infrastructure.base_path",
        "infrastructure",
        "base_path",
        Kind::Text,
        "of no effect: disks lie in a libvirt storage pool",
    ),
    both(
        "infrastructure.netperf",
        "infrastructure",
        "netperf",
        Kind::Only("false", "measuring the links comes in a later version"),
        "measure links with netperf (false)",
    ),
    unit(
        "infrastructure.external_physical_machines",
        "infrastructure",
        "external_physical_machines",
        CfgUnit::List,
        Kind::Only("", "several physical machines come in a later version"),
        "more hosts (none)",
    ),
    unit(
        "infrastructure.keep",
        "infrastructure",
        "delete",
        CfgUnit::Not,
        Kind::Bool,
        "leave everything running after `run` (TOML: false; in a .cfg: unless delete = True)",
    ),
    key(
        "infrastructure.libvirt_uri",
        Kind::Text,
        "libvirt connection (qemu:///system)",
    ),
    key(
        "infrastructure.bridge",
        Kind::Text,
        "existing bridge of the host to attach to (a network of its own)",
    ),
    key(
        "infrastructure.accelerator",
        Kind::Choice(AcceleratorChoice::NAMES, &[]),
        "how guests run (auto)",
    ),
    key(
        "infrastructure.internet",
        Kind::Bool,
        "nodes reach beyond their network (false)",
    ),
    key(
        "infrastructure.cloud.controller.cores",
        Kind::Int(1, 1024),
        "cores of the controller (as cloud)",
    ),
    key(
        "infrastructure.cloud.controller.memory_mib",
        MIB,
        "memory of the controller (as cloud)",
    ),
    key(
        "infrastructure.cloud.controller.quota",
        Kind::Float(0.1, 1.0),
        "share of each core of the controller (as cloud)",
    ),
    both(
        "network.emulation",
        "infrastructure",
        "network_emulation",
        Kind::Bool,
        "emulate links (true when there is a preset or a link)",
    ),
    unit(
        "network.preset",
        "infrastructure",
        "wireless_network_preset",
        CfgUnit::Lowercase,
        Kind::Choice(Preset::NAMES, &[]),
        "where latencies and rates come from (none; in a .cfg with emulation: 4g)",
    ),
    both(
        "software.resource_manager",
        "benchmark",
        "resource_manager",
        Kind::Choice(
            ManagerKind::NAMES,
            &[("kubecontrol", NO_MANAGER), ("kube_kata", NO_MANAGER)],
        ),
        "who places applications; required unless infra_only",
    ),
    both(
        "software.resource_manager_only",
        "benchmark",
        "resource_manager_only",
        Kind::Bool,
        "install the manager and run nothing (false)",
    ),
    key(
        "software.broker",
        Kind::Choice(Broker::NAMES, &[]),
        "MQTT broker of each worker (rumqttd)",
    ),
    key(
        "software.services",
        Kind::List,
        "services beyond those that the manager installs: mqtt, containerd, docker (none)",
    ),
    key(
        "software.container_runtime",
        Kind::Choice(Runtime::NAMES, &[]),
        "how endpoints, and workers outside a cluster, run applications: as a process or in a container (native)",
    ),
    key(
        "software.event_bus",
        Kind::Choice(EventBus::NAMES, &[]),
        "MQTT broker of KubeEdge's devices: the node's, or one of edgecore's own (external with mosquitto, else internal)",
    ),
    both(
        "software.kube_version",
        "benchmark",
        "kube_version",
        Kind::Text,
        "Kubernetes version (the catalogue's)",
    ),
    unit(
        "software.execution_model",
        "execution_model",
        "model",
        CfgUnit::Lowercase,
        Kind::Choice(ExecutionModelKind::NAMES, &[]),
        "functions on top of the manager (none)",
    ),
    unit(
        "software.openfaas",
        "execution_model",
        "distribution",
        CfgUnit::Lowercase,
        Kind::Choice(OpenFaasDistribution::NAMES, &[]),
        "for openfaas: our own gateway, or the real one by references to its images (builtin)",
    ),
    both(
        "software.accept_openfaas_terms",
        "execution_model",
        "accept_openfaas_terms",
        Kind::Bool,
        "for distribution upstream: you have read its terms and accept them (false)",
    ),
    key(
        "software.openfaas_images",
        Kind::List,
        "for distribution upstream: NAME=IMAGE, an archive (*.tar) or a name, of gateway, faas-netes, queue-worker and nats (none)",
    ),
];

const GROUPS: [&[Key]; 10] = [
    &GENERAL,
    &const { tier!("cloud") },
    &const { tier!("edge") },
    &const { tier!("endpoint") },
    &const { pair!("cloud_cloud", "cloud") },
    &const { pair!("edge_edge", "edge") },
    &const { pair!("cloud_edge", "cloud_edge") },
    &const { pair!("cloud_endpoint", "cloud_endpoint") },
    &const { pair!("edge_endpoint", "edge_endpoint") },
    &BENCHMARK,
];

/// Every option.
pub static KEYS: std::sync::LazyLock<Vec<&'static Key>> =
    std::sync::LazyLock::new(|| GROUPS.iter().copied().flatten().collect());

/// Finds an option by its TOML path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|k| k.path == path)
}
