//! Options of what is run: `[benchmark]`.

use super::choices::ApplicationKind;
use super::keys::{CfgUnit, Key, Kind, both, key, unit};

const NO_APPLICATION: &str = "this application is not built in; use image_classification or empty";

pub(super) const BENCHMARK: [Key; 30] = [
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
            ApplicationKind::NAMES,
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
        Kind::Mib(1.0, 16_777_216.0),
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
        Kind::Mib(1.0, 16_777_216.0),
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
        "how long application empty sleeps; required for empty",
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
