//! Fills the ring.

use crate::{clock::now_unix_ns, state::AgentState};
use continuum_proto::MetricsSample;
use std::{sync::Arc, time::Duration};
use sysinfo::{
    DiskRefreshKind, Disks, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// Samples until told to stop. One `System` for ever: CPU shares are differences between two looks.
pub(crate) async fn run(state: Arc<AgentState>, shutdown: CancellationToken) {
    let (Ok(mut system), Ok(mut networks), Ok(mut disks)) = (
        System::new(),
        Networks::new_with_refreshed_list(),
        Disks::new(),
    ) else {
        tracing::error!("this system gives no metrics");
        return;
    };
    system.refresh_cpu_usage();
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    // The first tick comes at once, too early for a difference.
    tick.tick().await;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let broker = state.broker.pid();
        let workloads = state.workloads.pids();
        state.metrics.push(sample(
            &mut system,
            &mut networks,
            &mut disks,
            broker,
            &workloads,
        ));
    }
}

fn sample(
    system: &mut System,
    networks: &mut Networks,
    disks: &mut Disks,
    broker: Option<u32>,
    workloads: &[u32],
) -> MetricsSample {
    system.refresh_cpu_usage();
    system.refresh_memory();
    networks.refresh(true);
    disks.refresh_specifics(true, DiskRefreshKind::nothing().with_io_usage());
    let own = std::process::id();
    let pids: Vec<Pid> = [own]
        .into_iter()
        .chain(broker)
        .chain(workloads.iter().copied())
        .map(Pid::from_u32)
        .collect();
    // Only the few processes of interest are looked at.
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&pids),
        true,
        ProcessRefreshKind::nothing().with_memory(),
    );
    let rss = |pid: u32| {
        system
            .process(Pid::from_u32(pid))
            .map_or(0, sysinfo::Process::memory)
    };
    let outside = || networks.iter().filter(|(name, _)| *name != "lo");
    MetricsSample {
        seq: 0,
        time_unix_ns: now_unix_ns(),
        cpu_percent: f64::from(system.global_cpu_usage()),
        memory_used_bytes: system.used_memory(),
        memory_total_bytes: system.total_memory(),
        network_received_bytes: outside().map(|(_, n)| n.total_received()).sum(),
        network_sent_bytes: outside().map(|(_, n)| n.total_transmitted()).sum(),
        disk_read_bytes: disks.iter().map(|d| d.usage().total_read_bytes).sum(),
        disk_written_bytes: disks.iter().map(|d| d.usage().total_written_bytes).sum(),
        agent_rss_bytes: rss(own),
        broker_rss_bytes: broker.map_or(0, rss),
        workload_rss_bytes: workloads.iter().copied().map(rss).sum(),
    }
}
