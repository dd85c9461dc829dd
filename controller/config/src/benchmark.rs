//! What is run, with defaults that follow from the machines.

use super::{
    model::{Benchmark, Config, FunctionSpec},
    values::Options,
};
use continuum_model::{Mode, UserImage};

pub(super) fn benchmark(options: &Options<'_>, config: &Config, application: String) -> Benchmark {
    let tiers = &config.infrastructure.tiers;
    let worker = match config.mode() {
        Mode::Cloud => &tiers.cloud,
        Mode::Edge => &tiers.edge,
        Mode::Endpoint => &tiers.endpoint,
    };
    let float = |path: &str, default: f64| options.float(path).unwrap_or(default);
    Benchmark {
        application,
        worker_cores: float(
            "benchmark.worker_cores",
            (f64::from(worker.cores) - 0.5).max(0.5),
        ),
        worker_memory_mib: float(
            "benchmark.worker_memory_mib",
            (worker.memory_mib as f64 - 512.0).max(256.0),
        ) as u64,
        endpoint_cores: float("benchmark.endpoint_cores", f64::from(tiers.endpoint.cores)),
        endpoint_memory_mib: float(
            "benchmark.endpoint_memory_mib",
            tiers.endpoint.memory_mib as f64,
        ) as u64,
        applications_per_worker: options
            .int("benchmark.applications_per_worker")
            .unwrap_or(1) as u32,
        cache_worker: options.bool("benchmark.cache_worker").unwrap_or(false),
        frequency: float("benchmark.frequency", 0.0),
        duration_s: float("benchmark.duration_s", 300.0),
        sleep_time_s: float("benchmark.sleep_time_s", 0.0),
        dataset: options.text("benchmark.dataset"),
        worker: UserImage {
            image: options.text("benchmark.worker_image"),
            command: options.list("benchmark.worker_command"),
        },
        endpoint: UserImage {
            image: options.text("benchmark.endpoint_image"),
            command: options.list("benchmark.endpoint_command"),
        },
        ports: options.list("benchmark.ports"),
        timeline: options.list("benchmark.timeline"),
        functions: options.list("benchmark.functions"),
        function: FunctionSpec {
            is_closed_loop: options.text("benchmark.loop").as_deref() == Some("closed"),
            per_request: options.bool("benchmark.per_request").unwrap_or(false),
            min_replicas: options.int("benchmark.min_replicas").unwrap_or(1) as u32,
            max_replicas: options.int("benchmark.max_replicas").unwrap_or(5) as u32,
            zero_after_s: float("benchmark.zero_after_s", 0.0),
        },
    }
}
