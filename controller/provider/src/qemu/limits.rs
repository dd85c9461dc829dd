//! CPU quotas and disk limits of machines, read back from the hypervisor.

use super::{LimitReport, hypervisor::Hypervisor};
use continuum_host::error::Error;
use continuum_model::NodePlan;

/// Sets the limits of a node and reads them back.
pub(super) fn apply_limits(
    hypervisor: &dyn Hypervisor,
    domain: &str,
    node: &NodePlan,
) -> Result<Vec<LimitReport>, Error> {
    let report = |limit: &str, asked: f64, read_back: f64| LimitReport {
        node: node.name.clone(),
        limit: limit.to_owned(),
        asked,
        read_back,
    };
    let mut reports = Vec::new();
    let quota = hypervisor.set_cpu_quota(domain, node.quota)?;
    reports.push(report("cpu_quota", node.quota, quota));
    if node.disk_read_mb_s > 0 || node.disk_write_mb_s > 0 {
        let (read, write) =
            hypervisor.set_disk_limits(domain, node.disk_read_mb_s, node.disk_write_mb_s)?;
        reports.push(report("disk_read_mb_s", node.disk_read_mb_s as f64, read));
        reports.push(report(
            "disk_write_mb_s",
            node.disk_write_mb_s as f64,
            write,
        ));
    }
    for r in &reports {
        r.check("libvirt")?;
    }
    Ok(reports)
}
