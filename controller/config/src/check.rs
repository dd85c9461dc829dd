//! From entries to the model: types and ranges by the table, defaults, then the rules between options.

use super::{
    Checked,
    entry::{Entry, Value},
    fault::Fault,
    findings::{Findings, Rules},
    links,
    model::{Config, ControllerSpec, Infrastructure, KubeEdge, TierSpec, keys::Kind},
    option_rules,
    options::KEYS,
    values::{Options, typed},
};
use continuum_model::{LONGEST_NAME, Tier};

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
        network: links::network(options, faults, warnings),
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
    links::check(options, &config, faults, warnings);
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
