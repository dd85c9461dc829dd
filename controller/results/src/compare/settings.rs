//! What runs were made with, as far as it differs.

use crate::{data_table::NONE, flat::flatten, group::Group, read::ResultFile};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that is not the same in all groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `config`, `machines`, `software` or `host`.
    pub kind: &'static str,
    pub name: String,
    /// By group; the values of its runs, where those differ too.
    pub values: Vec<String>,
}

/// All that a run was made with, by kind and path.
fn settings(result: &ResultFile) -> BTreeMap<(&'static str, String), String> {
    let machines = result.plan.nodes.iter().map(|node| {
        let disks = format!("disk {}/{} MB/s", node.disk_read_mb_s, node.disk_write_mb_s);
        let (cores, memory_mib, quota) = (node.cores, node.memory_mib, node.quota);
        let size = format!("{cores} cores, {memory_mib} MiB, quota {quota}, {disks}");
        (node.name.clone(), json!(size))
    });
    let machines = serde_json::Value::Object(machines.collect());
    let software = json!({ "continuum-ctl": result.controller_version, "facts": result.facts });
    let kinds = [
        ("config", &result.config),
        ("machines", &machines),
        ("software", &software),
        ("host", &result.host),
    ];
    let lines = kinds.into_iter().flat_map(|(kind, value)| {
        let lines = flatten(value).into_iter();
        lines.map(move |(path, text)| ((kind, path), text))
    });
    // What was measured of links before the run is no setting.
    lines
        .filter(|((_, path), _)| !path.starts_with("facts.link_overhead_ms"))
        .collect()
}

/// In the order of kinds and paths.
pub(super) fn differences(groups: &[Group]) -> Vec<Setting> {
    let by_group: Vec<Vec<_>> = groups
        .iter()
        .map(|group| group.runs.iter().map(|run| settings(&run.result)).collect())
        .collect();
    let names: BTreeSet<_> = by_group.iter().flatten().flat_map(BTreeMap::keys).collect();
    let mut found = Vec::new();
    for name in names {
        let values: Vec<BTreeSet<&str>> = by_group
            .iter()
            .map(|runs| {
                runs.iter()
                    .map(|run| run.get(name).map_or(NONE, String::as_str))
                    .collect()
            })
            .collect();
        if values.windows(2).all(|pair| pair[0] == pair[1]) && values.iter().all(|v| v.len() < 2) {
            continue;
        }
        found.push(Setting {
            kind: name.0,
            name: name.1.clone(),
            values: values
                .into_iter()
                .map(|v| v.into_iter().collect::<Vec<_>>().join(" | "))
                .collect(),
        });
    }
    found
}
