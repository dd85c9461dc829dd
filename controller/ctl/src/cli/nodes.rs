//! Nodes of a plan as a table.

use continuum_model::Plan;

pub(super) const NODE_COLUMNS: [&str; 7] = [
    "node",
    "role",
    "address",
    "cores",
    "memory",
    "quota",
    "disk read / write",
];

pub(super) fn node_rows(plan: &Plan) -> Vec<Vec<String>> {
    plan.nodes
        .iter()
        .map(|n| {
            let limit = |mb: u64| {
                if mb == 0 {
                    "-".to_owned()
                } else {
                    format!("{mb} MB/s")
                }
            };
            vec![
                n.name.clone(),
                format!("{:?}", n.role).to_lowercase(),
                n.address.to_string(),
                n.cores.to_string(),
                format!("{} MiB", n.memory_mib),
                format!("{:?}", n.quota),
                format!("{} / {}", limit(n.disk_read_mb_s), limit(n.disk_write_mb_s)),
            ]
        })
        .collect()
}
