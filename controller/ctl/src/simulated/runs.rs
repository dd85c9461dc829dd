//! Runs of all machines: what each sees of the others.

use super::{
    machine::Machine,
    workload::{Run, RunEnvironment},
};
use continuum_model::{BROKER_PORT, ClockOffset, ControllerTime, LinkClass};
use continuum_workload_core::{photo_sample::Sample, spec::Role};
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

/// By address.
pub(super) type Machines = BTreeMap<Ipv4Addr, Machine>;

/// The link of one node to another, as it is in force.
pub(super) fn way(machines: &Machines, from: Ipv4Addr, to: Ipv4Addr) -> Option<&LinkClass> {
    let prefix = ipnet::Ipv4Net::from(to);
    let machine = machines.get(&from).filter(|m| !m.has_no_qdisc)?;
    let mut classes = machine.volatile.links.iter();
    classes.find(|c| c.peers.iter().any(|p| p.prefixes.contains(&prefix)))
}

/// Milliseconds there and back; `None` = nothing gets through.
pub(super) fn round_trip_ms(machines: &Machines, one: Ipv4Addr, other: Ipv4Addr) -> Option<f64> {
    let mut all = 0.6;
    for class in [way(machines, one, other), way(machines, other, one)] {
        if class.is_some_and(|c| c.link.is_cut()) {
            return None;
        }
        all += class.map_or(0.0, |c| c.link.latency_ms - c.overhead_ms);
    }
    Some(all)
}

/// Standard deviation of round trips.
pub(super) fn jitter_ms(machines: &Machines, one: Ipv4Addr, other: Ipv4Addr) -> f64 {
    let of = |from, to| way(machines, from, to).map_or(0.0, |class| class.link.jitter_ms);
    f64::hypot(of(one, other), of(other, one))
}

/// Where a run sends to; itself, if nowhere.
fn worker_of(run: &Run, own: Ipv4Addr) -> Ipv4Addr {
    match &run.spec.role {
        Role::Publisher(publisher) => {
            let broker = publisher.broker.strip_suffix(&format!(":{BROKER_PORT}"));
            broker.and_then(|b| b.parse().ok()).unwrap_or(own)
        }
        _ => own,
    }
}

/// Whether a bench has a worker with a broker there that is at work.
fn is_served(machines: &Machines, worker: Ipv4Addr, bench: &str) -> bool {
    let Some(machine) = machines.get(&worker) else {
        return false;
    };
    let is_worker = |run: &Run| {
        matches!(run.spec.role, Role::Subscriber(_))
            && run.start.bench == bench
            && run.ended.is_none()
    };
    !machine.is_silent
        && machine.volatile.broker.is_some()
        && machine.volatile.runs.values().any(is_worker)
}

/// The clock of whoever serves a run, as it was when that began.
fn worker_clock(machines: &Machines, worker: Ipv4Addr, served: &Run) -> ClockOffset {
    let runs = machines.get(&worker).map(|m| m.volatile.runs.values());
    let mut runs = runs.into_iter().flatten();
    let is_worker = |run: &&Run| {
        matches!(run.spec.role, Role::Subscriber(_)) && run.start.bench == served.start.bench
    };
    runs.find(is_worker).map_or(served.clock, |run| run.clock)
}

/// What endpoints of a worker have answers for, and whether all of them are done.
fn served(machines: &Machines, endpoints: &[String], bench: &str) -> (Vec<Sample>, bool) {
    let (mut samples, mut done) = (Vec::new(), 0);
    for machine in machines.values() {
        for run in machine.volatile.runs.values() {
            if run.start.bench == bench && endpoints.contains(&run.spec.node) {
                done += usize::from(run.ended.is_some());
                samples.extend(run.samples.iter().filter(|s| s.answered_ns != 0).cloned());
            }
        }
    }
    (samples, done == endpoints.len())
}

/// Moves all of them on; endpoints come before workers, which end after them.
pub(super) fn advance(machines: &mut Machines, now: Duration, began: ControllerTime) {
    for is_worker in [false, true] {
        let addresses: Vec<Ipv4Addr> = machines.keys().copied().collect();
        for address in addresses {
            let Some(machine) = machines.get(&address) else {
                continue;
            };
            let ours = began.after(now);
            let mut changes = Vec::new();
            for (id, run) in &machine.volatile.runs {
                let is_of_turn = matches!(run.spec.role, Role::Subscriber(_)) == is_worker;
                if run.ended.is_some() || !is_of_turn {
                    continue;
                }
                let worker = worker_of(run, address);
                let way = round_trip_ms(machines, address, worker);
                let is_alone = worker == address;
                let is_answered = is_alone || is_served(machines, worker, &run.start.bench);
                let of_worker = match &run.spec.role {
                    Role::Subscriber(s) => served(machines, &s.endpoints, &run.start.bench),
                    _ => (Vec::new(), false),
                };
                let round_trip_ms = if is_alone { 0.0 } else { way.unwrap_or(0.0) };
                let is_answered = is_answered && (is_alone || way.is_some());
                let worker_clock = worker_clock(machines, worker, run);
                changes.push((
                    id.clone(),
                    is_answered,
                    round_trip_ms,
                    worker_clock,
                    of_worker,
                ));
            }
            let Some(machine) = machines.get_mut(&address) else {
                continue;
            };
            for (id, is_answered, round_trip_ms, worker_clock, (samples, are_served)) in changes {
                if let Some(run) = machine.volatile.runs.get_mut(&id) {
                    let clock = run.clock;
                    run.advance(&RunEnvironment {
                        now,
                        ours,
                        clock,
                        worker_clock,
                        is_answered,
                        round_trip_ms,
                        served: &samples,
                        are_served,
                    });
                }
            }
        }
    }
}
