//! From what is written of links to the network, and what there is to tell about it.

use super::{
    KEPT_CONFIG,
    choices::Preset,
    entry::Value,
    fault::Fault,
    model::{Config, Direction, LinkTable, Network, TraceSource},
    trace_file::{self, TraceFile},
    values::Options,
};
use continuum_model::{Link, LinkSettings, SETTINGS, Tier, TierPair};
use std::{path::Path, sync::Arc};

/// Upstream's table: average ms, deviation ms, Mbit/s.
fn link_of(preset: Preset, pair: TierPair) -> Link {
    let wireless = match preset {
        Preset::None => return Link::PLAIN,
        Preset::FourthGeneration => 7.21,
        Preset::FifthGeneration => 29.66,
        // The recording does the rest.
        Preset::FourthGenerationTrace | Preset::EvolutionTrace => {
            if pair.0 == Tier::Endpoint || pair.1 == Tier::Endpoint {
                return Link::PLAIN;
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
        rate_mbit,
        ..Link::PLAIN
    }
}

/// What a table of a link gives.
fn given(options: &Options<'_>, table: &str) -> LinkSettings {
    let mut settings = LinkSettings::default();
    for setting in &SETTINGS {
        if let Some(value) = options.value(&format!("network.{table}.{}", setting.name)) {
            // What is wrong was told as a fault of its option.
            settings.add(setting.name, &value.to_string()).ok();
        }
    }
    settings
}

/// What is recorded of a link, if its table names a file.
fn trace(
    options: &Options<'_>,
    table: LinkTable,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) -> Option<TraceSource> {
    let path_of = |name: &str| format!("network.{}.{name}", table.name());
    let key = path_of("trace");
    let Some(text) = options.text(&key) else {
        for name in ["trace_loop", "trace_offset_s", "trace_seed"] {
            if options.is_given(&path_of(name)) {
                let name = options.place(&path_of(name)).key;
                warnings.push(format!("{name} has no effect without {key}"));
            }
        }
        return None;
    };
    let place = options.place(&key);
    let near = match Path::new(&place.file).parent() {
        Some(dir) if place.line > 0 => dir.join(&text),
        _ => text.into(),
    };
    let path = std::path::absolute(&near).unwrap_or(near);
    let file = match trace_file::read(&path) {
        Ok(file) => file,
        // Its deployment can be looked at and taken down without it; links that would need it cannot be made.
        Err(why) if place.file == KEPT_CONFIG => {
            warnings.push(why);
            TraceFile::default()
        }
        Err(why) => {
            options.fault(faults, &key, why);
            return None;
        }
    };
    let offset_s = options.float(&path_of("trace_offset_s")).unwrap_or(0.0);
    let length_s = f64::from(file.length_ms) / 1000.0;
    if offset_s >= length_s && file.length_ms > 0 {
        let why = format!("{offset_s} is not below {length_s}, the trace's seconds");
        options.fault(faults, &path_of("trace_offset_s"), why);
    }
    let seed = match options.value(&path_of("trace_seed")) {
        Some(Value::Int(seed)) => Some(*seed),
        _ => None,
    };
    Some(TraceSource {
        table,
        path: path.display().to_string(),
        sha256: file.sha256,
        is_loop: options.bool(&path_of("trace_loop")).unwrap_or(true),
        offset_s,
        seed,
        length_ms: file.length_ms,
        rate_mbit: trace_file::mean_rate_mbit(&file.steps, file.length_ms),
        steps: Arc::new(file.steps),
    })
}

pub(super) fn network(
    options: &Options<'_>,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) -> Network {
    let is_of_link = |path: &&str| {
        path.starts_with("network.") && path.matches('.').count() == 2
            || *path == "network.override"
    };
    let has_links = options.paths().any(|path| is_of_link(&path));
    let given_preset: Option<Preset> = options.choice("network.preset");
    let emulated = options.bool("network.emulation").unwrap_or(
        // Upstream looks at the other keys only when emulation is switched on.
        !options.is_cfg && (given_preset.is_some_and(|p| p != Preset::None) || has_links),
    );
    if !emulated {
        if has_links || given_preset.is_some_and(|p| p != Preset::None) {
            warnings.push("links are given but not emulated: network emulation is off".into());
        }
        return Network::default();
    }
    let preset = given_preset.unwrap_or(if options.is_cfg {
        Preset::FourthGeneration
    } else {
        Preset::None
    });
    let pairs = TierPair::ALL.into_iter();
    let directions = Direction::ALL.into_iter();
    Network {
        preset,
        links: pairs
            .map(|pair| {
                (
                    pair,
                    given(options, &pair.name()).over(link_of(preset, pair)),
                )
            })
            .collect(),
        directions: directions
            .map(|direction| (direction, given(options, &direction.name())))
            .filter(|(_, settings)| !settings.is_empty())
            .collect(),
        traces: LinkTable::all()
            .filter_map(|table| trace(options, table, faults, warnings))
            .collect(),
        ..Network::default()
    }
}

/// Why no two nodes have a link between these tiers.
fn lacking(config: &Config, a: Tier, b: Tier) -> Option<String> {
    let count = |tier: Tier| config.infrastructure.tiers.get(tier).nodes;
    if a == b && count(a) == 1 {
        return Some(format!("there is only one {a} node"));
    }
    let lacking = [a, b].into_iter().find(|tier| count(*tier) == 0);
    lacking.map(|tier| format!("there are no {tier} nodes"))
}

/// Tells of links that nobody has, of delays that are not what they seem, and of what cannot be.
pub(super) fn check(
    options: &Options<'_>,
    config: &Config,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) {
    let network = &config.network;
    let mut tables: Vec<(String, Tier, Tier, bool)> = Vec::new();
    for (pair, link) in &network.links {
        // What is as the preset has it is what `config show` prints.
        let is_other = *link != link_of(network.preset, *pair);
        tables.push((pair.name(), pair.0, pair.1, is_other));
    }
    for (direction, _) in &network.directions {
        tables.push((direction.name(), direction.from, direction.to, true));
    }
    for (table, from, to, is_other) in tables {
        let begin = format!("network.{table}.");
        if let Some(why) = lacking(config, from, to) {
            let given = options.paths().filter(|path| path.starts_with(&begin));
            let given: Vec<String> = given.map(|path| options.place(path).key).collect();
            if is_other && !given.is_empty() {
                let have = if given.len() == 1 { "has" } else { "have" };
                warnings.push(format!("{} {have} no effect: {why}", given.join(", ")));
            }
            continue;
        }
        let Some(link) = network.link(from, to) else {
            continue;
        };
        if let Some(why) = link.moved_mean() {
            warnings.push(format!("network.{table}: {why}"));
        }
        if let Some(why) = link.impossible() {
            options.fault(faults, &format!("{begin}reordering_percent"), why);
        }
    }
    if options.is_given("network.mtu_bytes") && !network.is_emulated() {
        warnings.push("network.mtu_bytes has no effect: links are not emulated".to_owned());
    }
    for row in &network.overrides {
        let moved = row.settings.over(Link::PLAIN);
        let says = row.settings.has("latency_ms") && row.settings.has("jitter_ms");
        if let Some(why) = moved.moved_mean().filter(|_| says) {
            warnings.push(format!("network.override `{row}`: {why}"));
        }
    }
}
