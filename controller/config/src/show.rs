//! A checked config in the native spelling, with every value that is in force.

use super::{choices::ManagerKind, model::Config};
use continuum_model::Tier;
use std::fmt::Write;

/// As TOML.
pub fn to_toml(config: &Config) -> String {
    let mut out = String::new();
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    let i = &config.infrastructure;
    let w = &mut out;
    let mut line = |text: String| writeln!(w, "{}", text.trim()).ok();
    line(format!("name = {}", quoted(&config.name)));
    line("\n[infrastructure]".into());
    line(format!("provider = {}", quoted(&i.provider)));
    line(format!(
        "infra_only = {}\ncpu_pin = {}\nkeep = {}",
        i.infra_only, i.cpu_pin, i.keep
    ));
    if let Some(prefix) = &i.prefix_ip {
        line(format!("prefix_ip = {}", quoted(prefix)));
    }
    if let Some(middle) = i.middle_ip {
        line(format!("middle_ip = {middle}"));
    }
    line(format!("libvirt_uri = {}", quoted(&i.libvirt_uri)));
    if let Some(bridge) = &i.bridge {
        line(format!("bridge = {}", quoted(bridge)));
    }
    line(format!(
        "accelerator = {}\ninternet = {}",
        quoted(i.accelerator.name()),
        i.internet
    ));
    for tier in Tier::ALL {
        let t = i.tiers.get(tier);
        if t.nodes == 0 {
            continue;
        }
        line(format!("\n[infrastructure.{tier}]"));
        line(format!(
            "nodes = {}\ncores = {}\nmemory_mib = {}",
            t.nodes, t.cores, t.memory_mib
        ));
        line(format!("quota = {:?}", t.quota));
        line(format!(
            "disk_read_mb_s = {}\ndisk_write_mb_s = {}",
            t.disk_read_mb_s, t.disk_write_mb_s
        ));
        let c = &i.controller;
        if tier == Tier::Cloud && (c.cores.is_some() || c.memory_mib.is_some() || c.quota.is_some())
        {
            line("\n[infrastructure.cloud.controller]".into());
            c.cores.map(|n| line(format!("cores = {n}")));
            c.memory_mib.map(|n| line(format!("memory_mib = {n}")));
            c.quota.map(|n| line(format!("quota = {n:?}")));
        }
    }
    line("\n[network]".into());
    line(format!("emulation = {}", config.network.is_emulated()));
    if config.network.is_emulated() {
        line(format!("preset = {}", quoted(config.network.preset.name())));
    }
    for (pair, link) in &config.network.links {
        line(format!("\n[network.{}]", pair.name()));
        line(format!(
            "latency_ms = {:?}\njitter_ms = {:?}\nloss_percent = {:?}\nrate_mbit = {:?}",
            link.latency_ms, link.jitter_ms, link.loss_percent, link.rate_mbit
        ));
    }
    let s = &config.software;
    line("\n[software]".into());
    line(format!(
        "resource_manager = {}",
        quoted(s.resource_manager.name())
    ));
    line(format!(
        "resource_manager_only = {}",
        s.resource_manager_only
    ));
    line(format!(
        "broker = {}\nmax_connections = {}",
        quoted(s.broker.name()),
        s.max_connections
    ));
    if !s.services.is_empty() {
        let list: Vec<String> = s.services.iter().map(|n| quoted(n)).collect();
        line(format!("services = [{}]", list.join(", ")));
    }
    line(format!(
        "container_runtime = {}",
        quoted(s.container_runtime.name())
    ));
    if let Some(model) = &s.execution_model {
        line(format!("execution_model = {}", quoted(model.name())));
        line(format!("openfaas = {}", quoted(s.openfaas.name())));
        if s.accept_openfaas_terms {
            line("accept_openfaas_terms = true".into());
        }
        if !s.openfaas_images.is_empty() {
            let list: Vec<String> = s.openfaas_images.iter().map(|n| quoted(n)).collect();
            line(format!("openfaas_images = [{}]", list.join(", ")));
        }
    }
    if let Some(version) = &s.kube_version {
        line(format!("kube_version = {}", quoted(version)));
    }
    if s.resource_manager == ManagerKind::KubeEdge {
        line(format!("event_bus = {}", quoted(s.event_bus.name())));
    }
    if let Some(b) = &config.benchmark {
        line("\n[benchmark]".into());
        line(format!("application = {}", quoted(b.application.name())));
        line(format!(
            "worker_cores = {:?}\nworker_memory_mib = {}",
            b.worker_cores, b.worker_memory_mib
        ));
        if config.infrastructure.tiers.endpoint.nodes > 0 {
            line(format!(
                "endpoint_cores = {:?}\nendpoint_memory_mib = {}",
                b.endpoint_cores, b.endpoint_memory_mib
            ));
        }
        line(format!(
            "applications_per_worker = {}\ncache_worker = {}",
            b.applications_per_worker, b.cache_worker
        ));
        if b.frequency > 0.0 {
            line(format!("frequency = {:?}", b.frequency));
        }
        line(format!("duration_s = {:?}", b.duration_s));
        if b.sleep_time_s > 0.0 {
            line(format!("sleep_time_s = {:?}", b.sleep_time_s));
        }
        if let Some(dataset) = &b.dataset {
            line(format!("dataset = {}", quoted(dataset)));
        }
        let list = |values: &[String]| {
            let quoted: Vec<String> = values.iter().map(|v| quoted(v)).collect();
            format!("[{}]", quoted.join(", "))
        };
        for (role, own) in [("worker", &b.worker), ("endpoint", &b.endpoint)] {
            if let Some(image) = &own.image {
                line(format!("{role}_image = {}", quoted(image)));
            }
            if !own.command.is_empty() {
                line(format!("{role}_command = {}", list(&own.command)));
            }
        }
        if !b.timeline.is_empty() {
            line(format!("timeline = {}", list(&b.timeline)));
        }
        if s.execution_model.is_some() {
            let f = &b.function;
            if !b.functions.is_empty() {
                line(format!("functions = {}", list(&b.functions)));
            }
            let calls = if f.is_closed_loop { "closed" } else { "open" };
            line(format!(
                "loop = {}\nper_request = {}",
                quoted(calls),
                f.per_request
            ));
            line(format!(
                "min_replicas = {}\nmax_replicas = {}\nzero_after_s = {:?}",
                f.min_replicas, f.max_replicas, f.zero_after_s
            ));
        }
        if !b.ports.is_empty() {
            line(format!("ports = {}", list(&b.ports)));
        }
    }
    out
}
