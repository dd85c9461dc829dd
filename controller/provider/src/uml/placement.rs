//! Which kernel a guest gets, and which of the host's processors. Pure.
//!
//! Each system call of a guest's program goes to the guest's kernel and back by two wake-ups of host threads. On one
//! processor that is a change of context, on two it waits for a processor that sleeps: 9 us against 37 us, and a control
//! plane is up in 27 s instead of 51 s. So a guest of one processor stays on one of the host's. A kernel for several
//! processors is slower at everything but what runs side by side (a control plane takes 84 s), so the node that only
//! controls a cluster, on which nothing is measured, has the other one.

use super::sandbox::GuestSpec;
use continuum_model::{NodePlan, Role};
use std::collections::BTreeMap;

/// What a guest gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    /// Processors that its kernel has.
    pub(super) cores: u32,
    /// The host's processor that it stays on; `None` = wherever its control group lets it.
    pub(super) processor: Option<u32>,
}

/// How much of each of the host's processors is promised to guests.
pub(super) type Promised = BTreeMap<u32, f64>;

/// Of the processors that this program may use, with what guests that run have of them.
pub(super) fn allowed(running: impl Iterator<Item = GuestSpec>) -> Promised {
    let set = rustix::thread::sched_getaffinity(None).unwrap_or_default();
    let mut promised: Promised = (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .map(|cpu| (cpu as u32, 0.0))
        .collect();
    for spec in running {
        let processor = spec.processor.and_then(|cpu| promised.get_mut(&cpu));
        if let Some(promised) = processor {
            *promised += spec.quota;
        }
    }
    promised
}

/// Processors that the kernel of a node's guest has.
pub(super) fn cores(node: &NodePlan) -> u32 {
    match node.role {
        Role::Controller => 1,
        _ => node.cores,
    }
}

/// In the order of nodes; what they get is added to what is promised.
pub(super) fn place(node: &NodePlan, promised: &mut Promised) -> Placement {
    let cores = cores(node);
    let placed = |processor| Placement { cores, processor };
    if cores > 1 || !node.pinned.is_empty() {
        return placed(None);
    }
    // Of several with as little, the first.
    let least = promised.iter_mut().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let Some((processor, promised)) = least else {
        return placed(None);
    };
    *promised += node.quota;
    placed(Some(*processor))
}

/// What a result says of nodes that have fewer processors than were asked for.
pub(super) fn note(nodes: &[NodePlan]) -> Option<String> {
    let fewer: Vec<String> = nodes
        .iter()
        .filter(|node| cores(node) < node.cores)
        .map(|node| format!("{} (asked {})", node.name, node.cores))
        .collect();
    (!fewer.is_empty()).then(|| {
        format!(
            "one processor each, on which a control plane is faster here: {}",
            fewer.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::{Plan, Prefix};
    use continuum_plan::parse;

    fn plan(text: &str) -> Plan {
        let config = parse(text, "t.toml", false, "t", &[]).unwrap().config;
        continuum_plan::plan(&config, Prefix::from([10, 0, 0]))
    }

    fn placed(plan: &Plan, mut promised: Promised) -> Vec<(u32, Option<u32>)> {
        let place = |node| place(node, &mut promised);
        let placed = plan.nodes.iter().map(place);
        placed.map(|p| (p.cores, p.processor)).collect()
    }

    fn idle(processors: u32) -> Promised {
        (0..processors).map(|p| (p, 0.0)).collect()
    }

    const CLUSTER: &str = r#"
        infrastructure = { provider = "uml", cloud = { nodes = 2, cores = 2, memory_mib = 4096 }, endpoint = { nodes = 1, cores = 1, memory_mib = 512, quota = 0.5 } }
        software = { resource_manager = "kubernetes", resource_manager_only = true }"#;

    #[test]
    fn a_control_plane_has_one_processor_and_a_worker_what_was_asked() {
        let plan = plan(CLUSTER);
        let want = [(1, Some(0)), (2, None), (1, Some(1))];
        assert_eq!(placed(&plan, idle(2)), want);
        let note = note(&plan.nodes).unwrap();
        assert!(note.ends_with("cloud_controller (asked 2)"), "{note}");
    }

    #[test]
    fn guests_are_spread_by_what_they_may_take() {
        let plan = plan(
            r#"infrastructure = { provider = "uml", infra_only = true, edge = { nodes = 1, cores = 1, memory_mib = 512 }, endpoint = { nodes = 3, cores = 1, memory_mib = 512, quota = 0.5 } }"#,
        );
        let processors = |promised| -> Vec<_> {
            let placed = placed(&plan, promised).into_iter();
            placed.map(|(_, processor)| processor).collect()
        };
        assert_eq!(processors(idle(2)), [Some(0), Some(1), Some(1), Some(0)]);
        // Another deployment has the first one.
        let taken = Promised::from([(0, 2.0), (1, 0.0)]);
        assert_eq!(processors(taken), [Some(1), Some(1), Some(1), Some(0)]);
        assert_eq!(processors(Promised::new()), [None; 4]);
        assert_eq!(note(&plan.nodes), None);
    }

    #[test]
    fn who_pins_by_hand_is_left_alone() {
        let plan = plan(
            r#"infrastructure = { provider = "uml", infra_only = true, cpu_pin = true, edge = { nodes = 2, cores = 1, memory_mib = 512 } }"#,
        );
        assert_eq!(placed(&plan, idle(2)), [(1, None), (1, None)]);
    }
}
