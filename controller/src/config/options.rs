//! The table of options: the only place that names them.

use super::keys::{CfgUnit, Key, Kind, both, key, unit};

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

const NO_PROVIDER: &str = "machines of this provider are not supported; use qemu or local";
const NO_MANAGER: &str = "this resource manager needs patched Kubernetes binaries that are not published; use kubernetes";
const NO_APPLICATION: &str = "this application is not built in; use image_classification or empty";

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
            &["qemu", "local"],
            &[
                ("gcp", NO_PROVIDER),
                ("aws", NO_PROVIDER),
                ("baremetal", NO_PROVIDER),
            ],
        ),
        "where machines come from; required",
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
        Kind::Choice(&["auto", "kvm", "tcg"], &[]),
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
        Kind::Choice(&["none", "4g", "5g"], &[]),
        "where latencies and rates come from (none; in a .cfg with emulation: 4g)",
    ),
    both(
        "software.resource_manager",
        "benchmark",
        "resource_manager",
        Kind::Choice(
            &["none", "mist", "kubernetes", "kubeedge"],
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
        Kind::Choice(&["rumqttd", "mosquitto"], &[]),
        "MQTT broker of each worker (rumqttd)",
    ),
    key(
        "software.services",
        Kind::List,
        "services beyond those that the manager installs: mqtt, containerd, docker (none)",
    ),
    key(
        "software.container_runtime",
        Kind::Choice(&["native", "containerd", "docker"], &[]),
        "how endpoints, and workers outside a cluster, run applications: as a process or in a container (native)",
    ),
    key(
        "software.event_bus",
        Kind::Choice(&["external", "internal"], &[]),
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
        Kind::Choice(&["openfaas"], &[]),
        "functions on top of the manager (none)",
    ),
    unit(
        "software.openfaas",
        "execution_model",
        "distribution",
        CfgUnit::Lowercase,
        Kind::Choice(&["builtin", "upstream"], &[]),
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

const BENCHMARK: [Key; 30] = [
    both(
        "software.observability",
        "benchmark",
        "observability",
        Kind::Only("false", "Prometheus and Grafana come in a later version"),
        "Prometheus and Grafana (false)",
    ),
    both(
        "benchmark.application",
        "benchmark",
        "application",
        Kind::Choice(
            &["image_classification", "empty", "container", "functions"],
            &[
                ("empty_kata", NO_APPLICATION),
                ("mem_usage", NO_APPLICATION),
                ("stress", NO_APPLICATION),
                ("signal_classification", NO_APPLICATION),
                ("opencraft", NO_APPLICATION),
            ],
        ),
        "what is run; required unless resource_manager_only",
    ),
    both(
        "benchmark.docker_pull",
        "benchmark",
        "docker_pull",
        Kind::Only(
            "false",
            "images are never pulled: they come from the store by digest",
        ),
        "pull images again (false)",
    ),
    both(
        "benchmark.worker_cores",
        "benchmark",
        "application_worker_cpu",
        Kind::Float(0.001, 1024.0),
        "cores of each worker application (the worker's, less 0.5)",
    ),
    unit(
        "benchmark.worker_memory_mib",
        "benchmark",
        "application_worker_memory",
        CfgUnit::Gigabytes,
        Kind::Float(1.0, 16_777_216.0),
        "memory of each worker application (the worker's, less 512)",
    ),
    both(
        "benchmark.endpoint_cores",
        "benchmark",
        "application_endpoint_cpu",
        Kind::Float(0.001, 1024.0),
        "cores of each endpoint application (the endpoint's)",
    ),
    unit(
        "benchmark.endpoint_memory_mib",
        "benchmark",
        "application_endpoint_memory",
        CfgUnit::Gigabytes,
        Kind::Float(1.0, 16_777_216.0),
        "memory of each endpoint application (the endpoint's)",
    ),
    both(
        "benchmark.applications_per_worker",
        "benchmark",
        "applications_per_worker",
        Kind::Int(1, 10_000),
        "worker applications on each worker (1)",
    ),
    both(
        "benchmark.cache_worker",
        "benchmark",
        "cache_worker",
        Kind::Bool,
        "start workers once before measuring (false)",
    ),
    both(
        "benchmark.frequency",
        "benchmark",
        "frequency",
        Kind::Float(0.001, 100_000.0),
        "photos per second and endpoint; required for image_classification",
    ),
    both(
        "benchmark.duration_s",
        "benchmark",
        "duration",
        Kind::Float(0.1, 864_000.0),
        "length in seconds (300)",
    ),
    both(
        "benchmark.sleep_time_s",
        "benchmark",
        "sleep_time",
        Kind::Float(0.1, 864_000.0),
        "how long `empty` sleeps; required for it",
    ),
    key(
        "benchmark.dataset",
        Kind::Text,
        "directory of your own JPEG photos on this machine (the photos of the bundle)",
    ),
    key(
        "benchmark.worker_image",
        Kind::Text,
        "for application container: image of workers, an archive (*.tar) or a name (none)",
    ),
    key(
        "benchmark.worker_command",
        Kind::List,
        "the whole command of workers' containers (what the image says)",
    ),
    key(
        "benchmark.endpoint_image",
        Kind::Text,
        "for application container: image of endpoints, an archive (*.tar) or a name (none)",
    ),
    key(
        "benchmark.endpoint_command",
        Kind::List,
        "the whole command of endpoints' containers (what the image says)",
    ),
    key(
        "benchmark.ports",
        Kind::List,
        "TCP ports that workers' containers listen on; a worker is ready when the first answers (none)",
    ),
    key(
        "benchmark.timeline",
        Kind::List,
        "what happens while it runs, each `SECONDS ACTION`: cut A B, restore A B, set A B latency_ms=…, restart NODE UNIT (nothing)",
    ),
    key(
        "benchmark.functions",
        Kind::List,
        "for application functions: what is called, each `NAME FREQUENCY [PARAMETERS]`: image, fibonacci, matrix, memory, io, sleep (none)",
    ),
    key(
        "benchmark.loop",
        Kind::Choice(&["open", "closed"], &[]),
        "calls of functions are made when they are due, or each waits for the one before (open)",
    ),
    key(
        "benchmark.per_request",
        Kind::Bool,
        "functions are started anew for each call, networks loaded anew (false)",
    ),
    key(
        "benchmark.min_replicas",
        Kind::Int(1, 1000),
        "fewest replicas of a function (1)",
    ),
    key(
        "benchmark.max_replicas",
        Kind::Int(1, 1000),
        "most replicas of a function (5)",
    ),
    key(
        "benchmark.zero_after_s",
        Kind::Float(0.0, 864_000.0),
        "idle seconds after which a function has no replica; 0 = it keeps one (0)",
    ),
    both(
        "benchmark.kube_deployment",
        "benchmark",
        "kube_deployment",
        Kind::Only(
            "pod",
            "only pods, as the kubecontrol manager is not supported",
        ),
        "how Kubernetes gets the work (pod)",
    ),
    both(
        "benchmark.runtime",
        "benchmark",
        "runtime",
        Kind::Only("runc", "Kata containers are not supported"),
        "container runtime (runc)",
    ),
    both(
        "benchmark.runtime_filesystem",
        "benchmark",
        "runtime_filesystem",
        Kind::Only("overlayfs", "Kata containers are not supported"),
        "container file system (overlayfs)",
    ),
    both(
        "benchmark.stress_app_timeout",
        "benchmark",
        "stress_app_timeout",
        Kind::Only("", "application stress is not built in"),
        "for stress",
    ),
    key(
        "software.max_connections",
        Kind::Int(1, 7000),
        "connections that each broker admits (1000)",
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
