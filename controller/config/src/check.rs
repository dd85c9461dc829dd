//! From entries to the model: types and ranges by the table, defaults, then the rules between options.

use super::{
    Checked,
    choices::Preset,
    entry::{Entry, Value},
    fault::Fault,
    findings::{Findings, Rules},
    model::{Config, ControllerSpec, Infrastructure, KubeEdge, Network, TierSpec, keys::Kind},
    option_rules,
    options::KEYS,
    values::{Options, typed},
};
use continuum_model::{LONGEST_NAME, Link, Tier, TierPair};

/// Checks everything; what is wrong is added to `faults`.
pub(super) fn check(
    entries: &[Entry],
    file: &str,
    is_cfg: bool,
    stem: &str,
    rules: Rules,
    mut warnings: Vec<String>,
    faults: &mut Vec<Fault>,
) -> Checked {
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
    let mut of_rows = Vec::new();
    let options = Options::of(&entries, file, is_cfg, faults, &mut of_rows);
    let config = build(&options, stem, faults, &mut warnings);
    let mut findings = Findings::new(&options, faults, &mut warnings);
    findings.add(of_rows);
    option_rules::check(&config, &mut findings);
    rules(&config, &mut findings);
    Checked { config, warnings }
}

/// Every option is put where its table says; what follows from others is filled in between machines and what runs on them.
fn build(
    options: &Options<'_>,
    stem: &str,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) -> Config {
    if !options.is_given("infrastructure.provider") {
        options.fault(
            faults,
            "infrastructure.provider",
            "is required: auto, qemu, uml or local",
        );
    }
    let name = default_name(stem);
    if name != stem && !options.is_given("name") {
        warnings.push(format!(
            "the deployment is named {name}: the name of its file is longer than {LONGEST_NAME} characters"
        ));
    }
    let mut config = Config {
        name,
        network: network(options, warnings),
        ..Config::default()
    };
    // Upstream leaves everything running unless it is told otherwise.
    config.infrastructure.keep = options.is_cfg;
    let is_run = |path: &str| path.starts_with("benchmark.");
    options.put_into(&mut config, |path| !is_run(path));
    let Infrastructure {
        tiers, controller, ..
    } = &mut config.infrastructure;
    for (tier, spec) in [
        (Tier::Cloud, &mut tiers.cloud),
        (Tier::Edge, &mut tiers.edge),
        (Tier::Endpoint, &mut tiers.endpoint),
    ] {
        if spec.nodes == 0 {
            // Values of a tier that is not there say nothing.
            *spec = TierSpec::default();
            continue;
        }
        let of_cfg = options.is_cfg.then_some("quota");
        for name in ["cores", "memory_mib"].into_iter().chain(of_cfg) {
            let path = format!("infrastructure.{tier}.{name}");
            if !options.is_given(&path) {
                options.fault(faults, &path, format!("is required with {tier} nodes"));
            }
        }
    }
    if tiers.cloud.nodes == 0 {
        *controller = ControllerSpec::default();
    }
    for key in KEYS.iter() {
        if let (Some(idle), Some(value)) = (key.without_effect, options.value(key.path))
            && value.to_string() != idle.usual
        {
            let name = options.place(key.path).key;
            warnings.push(format!("{name} has no effect: {}", idle.why));
        }
    }
    check_links(options, &config, warnings);
    let software = &mut config.software;
    if options.text("software.event_bus").is_none() {
        software.kubeedge = KubeEdge::beside(software.broker);
    }
    options.put_into(&mut config, is_run);
    config
}

/// Characters at both ends that are left of a name that is too long: what tells files of a folder apart is there.
const ENDS: usize = (LONGEST_NAME - 2) / 2;

/// The name of a deployment whose config does not give one.
fn default_name(stem: &str) -> String {
    let count = stem.chars().count();
    if count <= LONGEST_NAME {
        return stem.to_owned();
    }
    let head = stem.chars().take(ENDS);
    let tail = stem.chars().skip(count - ENDS);
    head.chain("..".chars()).chain(tail).collect()
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
        // The recording does the rest.
        Preset::FourthGenerationTrace | Preset::EvolutionTrace => {
            if pair.0 == Tier::Endpoint || pair.1 == Tier::Endpoint {
                return plain_link();
            }
            1000.0
        }
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

/// Tells of links that nobody has, and of delays that are not what they seem.
fn check_links(options: &Options<'_>, config: &Config, warnings: &mut Vec<String>) {
    let Network { preset, links } = &config.network;
    for (pair, link) in links {
        let TierPair(a, b) = *pair;
        let count = |tier: Tier| config.infrastructure.tiers.get(tier).nodes;
        let lacking = if a == b && count(a) == 1 {
            Some(format!("there is only one {a} node"))
        } else {
            let lacking = [a, b].into_iter().find(|tier| count(*tier) == 0);
            lacking.map(|tier| format!("there are no {tier} nodes"))
        };
        if let Some(why) = lacking {
            // What is as the preset has it is what `config show` prints.
            let begin = format!("network.{}.", pair.name());
            let given = options.paths().filter(|path| path.starts_with(&begin));
            let given: Vec<String> = given.map(|path| options.place(path).key).collect();
            if *link != link_of(*preset, *pair) && !given.is_empty() {
                let have = if given.len() == 1 { "has" } else { "have" };
                warnings.push(format!("{} {have} no effect: {why}", given.join(", ")));
            }
        } else if link.jitter_ms > link.latency_ms {
            let (latency, jitter) = (link.latency_ms, link.jitter_ms);
            warnings.push(format!(
                "network.{}: jitter_ms is {jitter}, latency_ms is {latency}: as no delay is below 0, the mean delay is \
                 larger than latency_ms",
                pair.name()
            ));
        }
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
