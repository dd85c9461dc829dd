//! Cores, disks, memory and clocks of nodes.

use super::{
    cost::Cost,
    pace::{Pace, core_groups},
    plain,
};
use crate::session::Session;
use continuum_agents::{Agent, Condition};
use continuum_host::error::chain;
use continuum_model::{Measured, Measurements, NodePlan, Quantity, Spread, Subject};
use continuum_provider::CoresOfAProgram;
use std::{collections::BTreeMap, sync::Arc};

type Number = Result<Measured, String>;

/// How much of its cores each node has: those together whose cores the host has.
pub(super) async fn processors(
    session: &Session,
    nodes: &[NodePlan],
    pace: &Pace,
    host_cores: usize,
    found: &mut Measurements,
) {
    let groups = core_groups(nodes, host_cores);
    let busy = pace.busy(groups.len());
    for group in groups {
        let shares = group.iter().map(|node| async move {
            let agent = session.agent(&node.name).map_err(|error| chain(&error))?;
            let cores = agent.processor(busy).await.map_err(|error| chain(&error))?;
            let shares: Vec<f64> = cores.iter().map(|core| core.work).collect();
            let spread = Spread::of(&shares).ok_or("its agent may use no core")?;
            let share = match session.provider.capabilities().cores_of_a_program {
                CoresOfAProgram::All => spread.mean,
                CoresOfAProgram::One => of_one_program(&shares, node.quota),
            };
            Ok(Measured {
                samples: shares.len() as u32,
                spread: Some(spread),
                ..plain(share, busy.as_secs_f64())
            })
        });
        let shares: Vec<Number> = futures_util::future::join_all(shares).await;
        for (node, share) in group.iter().zip(shares) {
            found.insert((Subject::node(&node.name), Quantity::Processor), share);
        }
    }
}

/// What each core would give to programs of their own, by what all threads of one program were given together: a core, or
/// less where the cores' shares are not one together.
fn of_one_program(shares: &[f64], quota: f64) -> f64 {
    let most = (quota * shares.len() as f64).min(1.0);
    shares.iter().sum::<f64>() * quota / most
}

/// How fast disks with a limit are; a limit is what keeps them from disturbing each other.
pub(super) async fn disks(
    session: &Session,
    nodes: &[NodePlan],
    pace: &Pace,
    found: &mut Measurements,
    cost: &mut Cost,
) {
    let measure = nodes.iter().map(|node| async move {
        let agent = session.agent(&node.name).map_err(|error| chain(&error))?;
        let rates = agent.disk(pace.disk, pace.disk, pace.disk_bytes).await;
        let rates = rates.map_err(|error| chain(&error))?;
        if rates.is_direct {
            Ok(rates)
        } else {
            Err(
                "its file system knows no direct I/O, so the page cache would be measured"
                    .to_owned(),
            )
        }
    });
    let all = futures_util::future::join_all(measure).await;
    for (node, rates) in nodes.iter().zip(all) {
        cost.disk_bytes += rates.as_ref().map_or(0, |rates| rates.bytes);
        let seconds = pace.disk.as_secs_f64();
        let number = |per_s: fn(&continuum_agents::DiskRates) -> f64| match &rates {
            Ok(rates) => Ok(plain(per_s(rates) / 1e6, seconds)),
            Err(why) => Err(why.clone()),
        };
        let subject = Subject::node(&node.name);
        let (read, write) = (Quantity::DiskRead, Quantity::DiskWrite);
        found.insert((subject.clone(), read), number(|r| r.read_bytes_per_s));
        found.insert((subject, write), number(|r| r.write_bytes_per_s));
    }
}

/// What each node's kernel says, of those that answer.
pub(super) async fn conditions(session: &Session) -> BTreeMap<String, Condition> {
    let ask = |agent: &Arc<dyn Agent>| {
        let agent = Arc::clone(agent);
        async move { Some((agent.node().to_owned(), agent.condition().await.ok()?)) }
    };
    let all = futures_util::future::join_all(session.agents().iter().map(ask)).await;
    all.into_iter().flatten().collect()
}

/// Memory, and clocks.
pub(super) async fn kernels(
    session: &Session,
    nodes: &[NodePlan],
    conditions: &BTreeMap<String, Condition>,
    found: &mut Measurements,
) {
    let offsets = nodes.iter().map(|node| async move {
        let agent = session.agent(&node.name).map_err(|error| chain(&error))?;
        let offset = agent.clock_offset().await.map_err(|error| chain(&error))?;
        Ok(plain(offset.offset_ns as f64 / 1e6, 0.0))
    });
    let offsets: Vec<Number> = futures_util::future::join_all(offsets).await;
    for (node, offset) in nodes.iter().zip(offsets) {
        let subject = Subject::node(&node.name);
        let memory = conditions.get(&node.name).map(|c| c.memory_bytes);
        let memory = memory.ok_or_else(|| "its agent did not answer".to_owned());
        let memory = memory.map(|bytes| plain(bytes as f64 / 1_048_576.0, 0.0));
        found.insert((subject.clone(), Quantity::Memory), memory);
        found.insert((subject, Quantity::Clock), offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_share_a_core_are_counted_together() {
        let close = |shares: &[f64], quota, expected: f64| {
            let share = of_one_program(shares, quota);
            assert!(
                (share - expected).abs() < 1e-9,
                "{shares:?} of {quota}: {share}"
            );
        };
        close(&[0.48, 0.5], 1.0, 0.98);
        close(&[0.97], 1.0, 0.97);
        // A quarter of each of two cores: half a core for the program.
        close(&[0.25, 0.25], 0.25, 0.25);
        // More than the one core that it may have is not seen.
        close(&[0.5, 0.5], 0.5, 0.5);
        // A quota that is not enforced is.
        close(&[0.5, 0.5], 0.25, 0.5);
    }
}
