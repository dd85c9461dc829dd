//! What upstream makes of its files, computed by its rules alone: no part of our reader or planner has a hand in it.

use std::collections::{BTreeMap, BTreeSet};

/// Options by section and lower-case name.
pub(super) struct Ini(BTreeMap<(String, String), String>);

impl Ini {
    /// Of a file without comments behind values.
    pub(super) fn read(text: &str) -> Self {
        let mut section = String::new();
        let mut options = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=') {
                let key = (section.clone(), key.trim().to_lowercase());
                options.insert(key, value.trim().to_owned());
            }
        }
        Self(options)
    }

    pub(super) fn get(&self, section: &str, option: &str) -> Option<&str> {
        let key = (section.to_owned(), option.to_owned());
        self.0
            .get(&key)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    fn number(&self, section: &str, option: &str) -> Option<f64> {
        let value = self.get(section, option)?;
        let number = value.parse();
        Some(number.unwrap_or_else(|why| panic!("[{section}] {option} = {value}: {why}")))
    }

    fn of_machines(&self, option: &str) -> f64 {
        self.number("infrastructure", option).unwrap_or(0.0)
    }

    fn is_on(&self, section: &str, option: &str) -> bool {
        let value = self.get(section, option).unwrap_or("false");
        ["true", "yes", "on", "1"].contains(&&*value.to_lowercase())
    }

    fn is(&self, section: &str, option: &str, value: &str) -> bool {
        self.get(section, option) == Some(value)
    }
}

/// Numbers are in thousandths, so that they can be compared.
fn thousandths(number: f64) -> i64 {
    (number * 1000.0).round() as i64
}

/// Name, cores, memory in MiB, quota, in the order of addresses from `.2` on.
pub(super) type Machine = (String, i64, i64, i64);
/// From, to which tier, latency, jitter, rate, to how many nodes.
pub(super) type Class = (String, &'static str, i64, i64, i64, usize);
/// Node, cores, memory in MiB, number of its worker.
pub(super) type Run = (String, i64, i64, Option<usize>);

const TIERS: [&str; 3] = ["cloud", "edge", "endpoint"];

fn tier_of(name: &str) -> &'static str {
    let tier = TIERS.into_iter().find(|tier| name.starts_with(tier));
    tier.unwrap_or_else(|| panic!("{name} begins with none of {TIERS:?}"))
}

/// Memory of a machine in GB: as many as cores where the file gives none.
fn memory_gb(ini: &Ini, tier: &str) -> f64 {
    let given = ini.number("infrastructure", &format!("{tier}_memory"));
    given.unwrap_or_else(|| ini.of_machines(&format!("{tier}_cores")))
}

pub(super) fn machines(ini: &Ini) -> Vec<Machine> {
    let count = |tier: &str| ini.of_machines(&format!("{tier}_nodes")) as usize;
    let is_endpoint_mode = count("cloud") + count("edge") == 0;
    let infra_only = ini.is_on("infrastructure", "infra_only");
    let has_controller =
        !infra_only && !is_endpoint_mode && !ini.is("benchmark", "resource_manager", "mist");
    let mut machines = Vec::new();
    for tier in TIERS {
        let mut names: Vec<String> = (0..count(tier)).map(|i| format!("{tier}{i}")).collect();
        if tier == "cloud" && has_controller {
            // The first is the controller, and the others count from 0.
            names.pop();
            names.insert(0, "cloud_controller".to_owned());
        }
        for name in names {
            machines.push((
                name,
                ini.of_machines(&format!("{tier}_cores")) as i64,
                (memory_gb(ini, tier) * 1024.0) as i64,
                thousandths(ini.of_machines(&format!("{tier}_quota"))),
            ));
        }
    }
    machines
}

/// Average, deviation, rate of a pair of tiers.
fn link(ini: &Ini, a: &str, b: &str) -> [f64; 3] {
    let is_5g = ini.is("infrastructure", "wireless_network_preset", "5g");
    let wireless = if is_5g { 29.66 } else { 7.21 };
    let (prefix, usual) = match (a, b) {
        ("cloud", "cloud") => ("cloud", [0.0, 0.0, 1000.0]),
        ("edge", "edge") => ("edge", [7.5, 2.5, 1000.0]),
        ("cloud", "edge") | ("edge", "cloud") => ("cloud_edge", [7.5, 2.5, 1000.0]),
        ("cloud", "endpoint") | ("endpoint", "cloud") => ("cloud_endpoint", [45.0, 5.0, wireless]),
        _ => ("edge_endpoint", [7.5, 2.5, wireless]),
    };
    let options = ["latency_avg", "latency_var", "throughput"];
    let mut link = usual;
    for (value, option) in link.iter_mut().zip(options) {
        let given = ini.number("infrastructure", &format!("{prefix}_{option}"));
        *value = given.unwrap_or(*value);
    }
    link
}

pub(super) fn classes(ini: &Ini) -> BTreeSet<Class> {
    let machines = machines(ini);
    let mut classes = BTreeSet::new();
    if !ini.is_on("infrastructure", "network_emulation") {
        return classes;
    }
    for (name, ..) in &machines {
        for tier in TIERS {
            let from = tier_of(name);
            let peers = machines
                .iter()
                .filter(|(other, ..)| tier_of(other) == tier && other != name);
            let peers = peers.count();
            if peers == 0 || (from == "endpoint" && tier == "endpoint") {
                continue;
            }
            let [latency, jitter, rate] = link(ini, from, tier).map(thousandths);
            classes.insert((name.clone(), tier, latency, jitter, rate, peers));
        }
    }
    classes
}

/// Applications that are measured, and where they are; `None` = none runs.
pub(super) fn runs(ini: &Ini) -> Option<Vec<Run>> {
    ini.get("benchmark", "application")?;
    if ini.is_on("infrastructure", "infra_only") || ini.is_on("benchmark", "resource_manager_only")
    {
        return None;
    }
    let machines = machines(ini);
    let is_worker = |name: &&String| !name.starts_with("endpoint") && *name != "cloud_controller";
    let names = || machines.iter().map(|(name, ..)| name);
    let mut workers: Vec<&String> = names().filter(is_worker).collect();
    // KubeEdge's cloud node is the controller alone; its edges work.
    if names().any(|name| name.starts_with("edge")) {
        workers.retain(|name| name.starts_with("edge"));
    }
    let endpoints: Vec<&String> = names().filter(|n| n.starts_with("endpoint")).collect();
    let of = |option: &str| ini.number("benchmark", option);
    let mut runs = Vec::new();
    if let Some(tier) = workers.first().map(|name| tier_of(name)) {
        let cores = of("application_worker_cpu")
            .unwrap_or_else(|| ini.of_machines(&format!("{tier}_cores")) - 0.5);
        let memory = of("application_worker_memory").unwrap_or_else(|| memory_gb(ini, tier) - 0.5);
        let copies = of("applications_per_worker").unwrap_or(1.0) as usize;
        let size = (thousandths(cores), (memory * 1024.0) as i64);
        // Functions take the place of workers.
        if ini.get("execution_model", "model").is_none() {
            for worker in &workers {
                let of_worker = ((*worker).clone(), size.0, size.1, None);
                runs.extend(std::iter::repeat_n(of_worker, copies));
            }
            if ini.is("benchmark", "kube_deployment", "container") {
                for run in &mut runs {
                    workers[0].clone_into(&mut run.0);
                }
            }
        }
    }
    if ini.is("benchmark", "application", "image_classification") {
        let cores = of("application_endpoint_cpu");
        let cores = cores.unwrap_or_else(|| ini.of_machines("endpoint_cores"));
        let memory = of("application_endpoint_memory");
        let memory = memory.unwrap_or_else(|| memory_gb(ini, "endpoint"));
        let has_workers = !workers.is_empty();
        let share = endpoints.len().checked_div(workers.len()).unwrap_or(1);
        for (index, endpoint) in endpoints.into_iter().enumerate() {
            let is_function = ini.get("execution_model", "model").is_some();
            let worker = if is_function { 0 } else { index / share };
            let size = (thousandths(cores), (memory * 1024.0) as i64);
            runs.push((
                endpoint.clone(),
                size.0,
                size.1,
                has_workers.then_some(worker),
            ));
        }
    }
    Some(runs)
}
