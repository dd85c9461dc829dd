//! From entries to the model: types and ranges by the table, defaults, then the rules between options.

use super::{
    Checked,
    benchmark::benchmark,
    choices::{
        AcceleratorChoice, Broker, EventBus, ManagerKind, OpenFaasDistribution, Preset, Runtime,
    },
    entry::{Entry, Value},
    fault::Fault,
    findings::{Findings, Rules},
    keys::Kind,
    model::{Config, ControllerSpec, Infrastructure, Network, Software, TierSpec},
    own_rules,
    values::{Options, typed},
};
use continuum_model::{Link, PerTier, Tier, TierPair};

/// Checks everything; what is wrong is added to `faults`.
pub(super) fn check(
    entries: &[Entry],
    file: &str,
    is_cfg: bool,
    stem: &str,
    rules: Rules,
    faults: &mut Vec<Fault>,
) -> Checked {
    let mut warnings = Vec::new();
    let infra_only = entries.iter().any(|e| {
        e.path == "infrastructure.infra_only"
            && typed(&e.value, Kind::Bool) == Ok(Value::Bool(true))
    });
    // Upstream's [benchmark] holds the manager too.
    let is_benchmark =
        |e: &Entry| e.path.starts_with("benchmark.") || e.place.key.starts_with("[benchmark]");
    if infra_only && entries.iter().any(is_benchmark) {
        warnings.push("[benchmark] has no effect: infra_only is set".to_owned());
    }
    let is_controller = |e: &Entry| e.path.starts_with("infrastructure.cloud.controller.");
    if infra_only && entries.iter().any(is_controller) {
        let text =
            "infrastructure.cloud.controller has no effect: infra_only is set, and no node is one";
        warnings.push(text.to_owned());
    }
    let entries: Vec<Entry> = entries
        .iter()
        .filter(|e| !(infra_only && is_benchmark(e)))
        .cloned()
        .collect();
    let options = Options::of(&entries, file, is_cfg, faults);
    let config = build(&options, stem, faults, &mut warnings);
    let mut findings = Findings::new(&options, faults, &mut warnings);
    own_rules::check(&config, &mut findings);
    rules(&config, &mut findings);
    Checked { config, warnings }
}

fn build(
    options: &Options<'_>,
    stem: &str,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) -> Config {
    let provider = options.text("infrastructure.provider");
    if !options.is_given("infrastructure.provider") {
        options.fault(
            faults,
            "infrastructure.provider",
            "is required: auto, qemu, uml or local",
        );
    }
    let tiers = PerTier {
        cloud: tier(options, Tier::Cloud, faults),
        edge: tier(options, Tier::Edge, faults),
        endpoint: tier(options, Tier::Endpoint, faults),
    };
    let infra_only = options.bool("infrastructure.infra_only").unwrap_or(false);
    // Upstream leaves everything running unless it is told otherwise.
    let keep = options
        .bool("infrastructure.keep")
        .unwrap_or(options.is_cfg);
    let has_controller = tiers.cloud.nodes > 0;
    let infrastructure = Infrastructure {
        provider: provider.unwrap_or_default(),
        infra_only,
        tiers,
        controller: ControllerSpec {
            cores: options
                .int("infrastructure.cloud.controller.cores")
                .filter(|_| has_controller)
                .map(|n| n as u32),
            memory_mib: options
                .float("infrastructure.cloud.controller.memory_mib")
                .filter(|_| has_controller)
                .map(|n| n as u64),
            quota: options
                .float("infrastructure.cloud.controller.quota")
                .filter(|_| has_controller),
        },
        cpu_pin: options.bool("infrastructure.cpu_pin").unwrap_or(false),
        prefix_ip: options.text("infrastructure.prefix_ip"),
        middle_ip: options.int("infrastructure.middle_ip").map(|n| n as u8),
        keep,
        libvirt_uri: options
            .text("infrastructure.libvirt_uri")
            .unwrap_or_else(|| "qemu:///system".into()),
        bridge: options.text("infrastructure.bridge"),
        accelerator: options
            .choice("infrastructure.accelerator")
            .unwrap_or(AcceleratorChoice::Auto),
        internet: options.bool("infrastructure.internet").unwrap_or(false),
    };
    for path in ["infrastructure.base_path", "infrastructure.middle_ip_base"] {
        let usual = options.text(path).is_none_or(|t| t == "~");
        if options.is_given(path) && !(usual || options.is_cfg && path.ends_with("_base")) {
            warnings.push(format!(
                "{} has no effect: there are no base machines, and disks lie in a libvirt storage pool",
                options.place(path).key
            ));
        }
    }
    let broker = options.choice("software.broker").unwrap_or(Broker::Rumqttd);
    let software = Software {
        resource_manager: options
            .choice("software.resource_manager")
            .unwrap_or(ManagerKind::None),
        resource_manager_only: options
            .bool("software.resource_manager_only")
            .unwrap_or(false),
        broker,
        services: options.list("software.services"),
        container_runtime: options
            .choice("software.container_runtime")
            .unwrap_or(Runtime::Native),
        execution_model: options.choice("software.execution_model"),
        openfaas: options
            .choice("software.openfaas")
            .unwrap_or(OpenFaasDistribution::Builtin),
        accept_openfaas_terms: options
            .bool("software.accept_openfaas_terms")
            .unwrap_or(false),
        openfaas_images: options.list("software.openfaas_images"),
        kube_version: options.text("software.kube_version"),
        event_bus: options
            .choice("software.event_bus")
            .unwrap_or(match broker {
                Broker::Mosquitto => EventBus::External,
                Broker::Rumqttd => EventBus::Internal,
            }),
        max_connections: options.int("software.max_connections").unwrap_or(1000) as u32,
    };
    let mut config = Config {
        name: options.text("name").unwrap_or_else(|| stem.to_owned()),
        network: network(options, warnings),
        infrastructure,
        software,
        benchmark: None,
    };
    if let Some(application) = options.choice("benchmark.application") {
        config.benchmark = Some(benchmark(options, &config, application));
    }
    config
}

fn tier(options: &Options<'_>, tier: Tier, faults: &mut Vec<Fault>) -> TierSpec {
    let path = |name: &str| format!("infrastructure.{tier}.{name}");
    let nodes = options.int(&path("nodes")).unwrap_or(0) as u32;
    if nodes > 0 {
        let mut required = vec!["cores", "memory_mib"];
        if options.is_cfg {
            required.push("quota");
        }
        for name in required {
            if !options.is_given(&path(name)) {
                options.fault(
                    faults,
                    &path(name),
                    format!("is required with {tier} nodes"),
                );
            }
        }
    }
    if nodes == 0 {
        // Values of a tier that is not there say nothing.
        return TierSpec {
            quota: 1.0,
            ..TierSpec::default()
        };
    }
    TierSpec {
        nodes,
        cores: options.int(&path("cores")).unwrap_or(0) as u32,
        memory_mib: options.float(&path("memory_mib")).unwrap_or(0.0) as u64,
        quota: options.float(&path("quota")).unwrap_or(1.0),
        disk_read_mb_s: options.int(&path("disk_read_mb_s")).unwrap_or(0) as u64,
        disk_write_mb_s: options.int(&path("disk_write_mb_s")).unwrap_or(0) as u64,
    }
}

/// A link that is as fast as usual, and adds nothing.
fn plain_link() -> Link {
    Link {
        latency_ms: 0.0,
        jitter_ms: 0.0,
        loss_percent: 0.0,
        rate_mbit: 1000.0,
    }
}

/// Upstream's table: average ms, deviation ms, Mbit/s.
fn link_of(preset: Preset, pair: TierPair) -> Link {
    let wireless = match preset {
        Preset::None => return plain_link(),
        Preset::FourthGeneration => 7.21,
        Preset::FifthGeneration => 29.66,
    };
    let (latency_ms, jitter_ms, rate_mbit) = match pair {
        TierPair(Tier::Cloud, Tier::Cloud) => (0.0, 0.0, 1000.0),
        TierPair(Tier::Cloud, Tier::Endpoint) => (45.0, 5.0, wireless),
        TierPair(Tier::Edge, Tier::Endpoint) => (7.5, 2.5, wireless),
        TierPair(..) => (7.5, 2.5, 1000.0),
    };
    Link {
        latency_ms,
        jitter_ms,
        loss_percent: 0.0,
        rate_mbit,
    }
}

fn network(options: &Options<'_>, warnings: &mut Vec<String>) -> Network {
    let given_links: Vec<&str> = options
        .paths()
        .filter(|p| p.starts_with("network.") && p.matches('.').count() == 2)
        .collect();
    let given_preset: Option<Preset> = options.choice("network.preset");
    let emulated = options.bool("network.emulation").unwrap_or(
        // Upstream looks at the other keys only when emulation is switched on.
        !options.is_cfg
            && (given_preset.is_some_and(|p| p != Preset::None) || !given_links.is_empty()),
    );
    if !emulated {
        if !given_links.is_empty() || given_preset.is_some_and(|p| p != Preset::None) {
            warnings.push("links are given but not emulated: network emulation is off".into());
        }
        return Network {
            preset: Preset::None,
            links: Vec::new(),
        };
    }
    let preset = given_preset.unwrap_or(if options.is_cfg {
        Preset::FourthGeneration
    } else {
        Preset::None
    });
    let links = TierPair::ALL
        .into_iter()
        .map(|pair| {
            let base = link_of(preset, pair);
            let value = |name: &str, default: f64| {
                options
                    .float(&format!("network.{}.{name}", pair.name()))
                    .unwrap_or(default)
            };
            let link = Link {
                latency_ms: value("latency_ms", base.latency_ms),
                jitter_ms: value("jitter_ms", base.jitter_ms),
                loss_percent: value("loss_percent", base.loss_percent),
                rate_mbit: value("rate_mbit", base.rate_mbit),
            };
            (pair, link)
        })
        .collect();
    Network { preset, links }
}
