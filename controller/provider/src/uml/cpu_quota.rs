//! CPU quotas of guests.

use super::{LimitReport, control_groups::ControlGroups, guests, placement, report};
use crate::error::ProviderError;
use continuum_host::{error::Error, state::Deployment};
use continuum_model::NodePlan;

/// Sets that of a guest and reads it back; `None` where the host cannot limit.
pub(super) fn apply_limit(
    groups: &ControlGroups,
    deployment: &Deployment,
    node: &NodePlan,
) -> Result<Option<LimitReport>, Error> {
    let name = guests::name(&deployment.id(), &node.name);
    let Some(quota) = groups.set_cpu_quota(&name, node.quota, placement::cores(node))? else {
        // Refused before, or allowed by the user.
        return Ok(None);
    };
    if (quota - node.quota).abs() > 0.005 {
        return Err(ProviderError::Limit {
            limit: "the CPU quota".into(),
            node: node.name.clone(),
            asked: node.quota,
            by: "the kernel",
            has: quota,
        }
        .into());
    }
    Ok(Some(report(node, "cpu_quota", node.quota, quota)))
}
