//! What a host must have for a plan. Pure: the host is asked elsewhere.

use crate::Allow;
use continuum_config::Config;
use continuum_model::Plan;

/// Memory that the host keeps for itself.
const HOST_RESERVE_MIB: u64 = 1024;
/// The kernel's own processes, the supervisor, and what the host keeps of a guest's disk.
pub(super) const OVERHEAD_MIB: u64 = 48;

#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    pub(super) memory_total_mib: u64,
    pub(super) memory_available_mib: u64,
    /// Of guests that run: they may not have taken it yet.
    pub(super) memory_promised_mib: u64,
    pub(super) processors: u32,
    pub(super) limits_cpu: bool,
    pub(super) is_root: bool,
}

fn is_limited(plan: &Plan) -> bool {
    plan.nodes.iter().any(|node| node.quota < 1.0)
}

/// Every reason why the host cannot carry the plan, with the sums.
pub(super) fn reasons(host: Host, config: &Config, plan: &Plan, allow: Allow) -> Vec<String> {
    let mut reasons = Vec::new();
    let guests = plan.memory_mib();
    let overheads = OVERHEAD_MIB * plan.nodes.len() as u64;
    let wanted = guests + overheads;
    let unpromised = host
        .memory_total_mib
        .saturating_sub(host.memory_promised_mib);
    let usable = host
        .memory_available_mib
        .min(unpromised)
        .saturating_sub(HOST_RESERVE_MIB);
    if wanted > usable {
        reasons.push(format!(
            "the nodes need {wanted} MiB (guests {guests} MiB, their processes {overheads} MiB), but only {usable} MiB \
             are usable (available {} MiB, not promised to running guests {unpromised} MiB, kept for the host \
             {HOST_RESERVE_MIB} MiB); take fewer or smaller nodes",
            host.memory_available_mib
        ));
    }
    let pinned = plan.nodes.iter().map(|n| n.pinned.len()).sum::<usize>() as u32;
    if pinned > host.processors {
        reasons.push(format!(
            "cpu_pin needs {pinned} physical cores, this host has {}",
            host.processors
        ));
    }
    if is_limited(plan) && !host.limits_cpu && !allow.unlimited {
        let how = if host.is_root {
            "mount the cpu controller (cgroup version 2, or 1)"
        } else {
            "start the command where a part of the control groups is yours: systemd-run --user --scope -p Delegate=yes \
             continuum-ctl …"
        };
        reasons.push(format!(
            "CPU quotas cannot be enforced here: no control group can be made for the guests; {how}, or give \
             --allow-unlimited (the result says so)"
        ));
    }
    if config.infrastructure.internet {
        reasons.push(
            "provider uml gives nodes no way to the internet; leave infrastructure.internet out, or use provider qemu"
                .into(),
        );
    }
    if let Some(bridge) = &config.infrastructure.bridge {
        if !host.is_root {
            reasons.push(format!(
                "only root can attach nodes to the host's bridge `{bridge}`; leave infrastructure.bridge out"
            ));
        } else if !std::path::Path::new("/sys/class/net")
            .join(bridge)
            .join("bridge")
            .exists()
        {
            reasons.push(format!("there is no bridge `{bridge}` on this host"));
        }
    }
    reasons
}

/// What the user should know although it goes on.
pub(super) fn warnings(host: Host, plan: &Plan) -> Vec<String> {
    if is_limited(plan) && !host.limits_cpu {
        return vec![
            "CPU quotas are NOT enforced: no control group can be made for the guests".into(),
        ];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Prefix;

    const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"uml\"\ninfra_only = true\n[infrastructure.edge]\n\
                          nodes = 30\ncores = 1\nmemory_mib = 128\n";

    const HOST: Host = Host {
        memory_total_mib: 16_000,
        memory_available_mib: 16_000,
        memory_promised_mib: 0,
        processors: 2,
        limits_cpu: true,
        is_root: true,
    };

    fn check(host: Host, text: &str, unlimited: bool) -> Vec<String> {
        let config = continuum_plan::parse(text, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let plan = continuum_plan::plan(&config, Prefix::from([192, 168, 100]));
        let allow = Allow {
            unlimited,
            ..Allow::default()
        };
        reasons(host, &config, &plan, allow)
    }

    #[test]
    fn thirty_small_guests_are_refused_with_the_sums_where_they_do_not_fit() {
        assert_eq!(check(HOST, CONFIG, false), Vec::<String>::new());
        let small = Host {
            memory_available_mib: 4000,
            ..HOST
        };
        let said = check(small, CONFIG, false).join("\n");
        assert!(
            said.contains(
                "need 5280 MiB (guests 3840 MiB, their processes 1440 MiB), but only 2976 MiB"
            ),
            "{said}"
        );
        let promised = Host {
            memory_promised_mib: 12_000,
            ..HOST
        };
        assert_eq!(check(promised, CONFIG, false).len(), 1);
    }

    #[test]
    fn a_quota_that_nobody_enforces_is_refused_unless_that_is_allowed() {
        let text = CONFIG.replace("cores = 1", "cores = 1\nquota = 0.5");
        let user = Host {
            limits_cpu: false,
            is_root: false,
            ..HOST
        };
        let said = check(user, &text, false).join("\n");
        assert!(
            said.contains("systemd-run --user") && said.contains("--allow-unlimited"),
            "{said}"
        );
        assert_eq!(check(user, &text, true), Vec::<String>::new());
        assert_eq!(check(user, CONFIG, false), Vec::<String>::new());
        assert_eq!(check(HOST, &text, false), Vec::<String>::new());
    }

    #[test]
    fn what_this_provider_does_not_have_is_refused_by_name() {
        let text = CONFIG.replace(
            "infra_only",
            "internet = true\nbridge = \"no-such-bridge\"\ninfra_only",
        );
        let said = check(HOST, &text, false).join("\n");
        assert!(
            said.contains("infrastructure.internet") && said.contains("no bridge `no-such-bridge`"),
            "{said}"
        );
    }
}
