//! What upstream takes for granted in its spelling: understood in the same way, with a warning each.

use super::{
    entry::{Entry, Place, Value},
    model::keys::Kind,
    values::typed,
};
use continuum_model::Tier;

fn text(entries: &[Entry], path: &str) -> Option<String> {
    let entry = entries.iter().find(|e| e.path == path)?;
    Some(entry.value.to_string())
}

/// Changes what was read to what upstream would have understood.
pub(super) fn understand(entries: &mut Vec<Entry>, warnings: &mut Vec<String>) {
    for tier in Tier::ALL {
        let begin = format!("infrastructure.{tier}.");
        let is_zero = |text: String| text.parse() == Ok(0);
        if text(entries, &format!("{begin}nodes")).is_none_or(is_zero) {
            without_nodes(entries, tier, &begin, warnings);
        } else {
            memory_of(entries, tier, &begin, warnings);
        }
    }
    without_manager(entries, warnings);
}

/// Values of a tier without nodes are not looked at, whatever they are.
fn without_nodes(entries: &mut Vec<Entry>, tier: Tier, begin: &str, warnings: &mut Vec<String>) {
    let of_tier = |e: &Entry| e.path.starts_with(begin) && !e.path.ends_with(".nodes");
    let names: Vec<&str> = entries
        .iter()
        .filter(|e| of_tier(e))
        .map(|e| &*e.place.key)
        .collect();
    if names.is_empty() {
        return;
    }
    let have = if names.len() == 1 { "has" } else { "have" };
    warnings.push(format!(
        "{} {have} no effect: there are no {tier} nodes",
        names.join(", ")
    ));
    entries.retain(|e| !of_tier(e));
}

/// Older files give no memory: there are as many GB as cores.
fn memory_of(entries: &mut Vec<Entry>, tier: Tier, begin: &str, warnings: &mut Vec<String>) {
    let path = format!("{begin}memory_mib");
    let given = |path: &str| entries.iter().find(|e| e.path == path);
    if given(&path).is_some() {
        return;
    }
    let Some(cores) = given(&format!("{begin}cores")) else {
        return;
    };
    // A wrong number of cores is a fault of its own.
    let Ok(Value::Int(gigabytes)) = typed(&cores.value, Kind::Int(1, 1024)) else {
        return;
    };
    warnings.push(format!(
        "[infrastructure] {tier}_memory is not given: {gigabytes} GB, as many as cores"
    ));
    let place = Place {
        path: path.clone(),
        ..cores.place.clone()
    };
    let entry = Entry {
        path,
        value: Value::Gigabytes(gigabytes.to_string()),
        place,
    };
    entries.push(entry);
}

/// Endpoints alone need no manager, and files without one say nothing of it.
fn without_manager(entries: &mut Vec<Entry>, warnings: &mut Vec<String>) {
    let path = "software.resource_manager";
    let is_given = |path: &str| entries.iter().any(|e| e.path == path);
    let has_nodes = |tier: &str| {
        let nodes = text(entries, &format!("infrastructure.{tier}.nodes"));
        nodes.is_some_and(|n| n.parse() != Ok(0))
    };
    let application = entries.iter().find(|e| e.path == "benchmark.application");
    let (Some(application), false) = (application, is_given(path)) else {
        return;
    };
    let infra_only = text(entries, "infrastructure.infra_only");
    let infra_only = infra_only.map(|text| typed(&Value::Raw(text), Kind::Bool));
    if has_nodes("cloud") || has_nodes("edge") || infra_only == Some(Ok(Value::Bool(true))) {
        return;
    }
    warnings.push(
        "[benchmark] resource_manager is not given: none, as there are only endpoints".to_owned(),
    );
    let entry = Entry {
        path: path.to_owned(),
        value: Value::Raw("none".to_owned()),
        place: Place {
            path: path.to_owned(),
            ..application.place.clone()
        },
    };
    entries.push(entry);
}
