//! Workers that could not keep up: their latencies are those of a queue that grew until the load ended.

use super::{NodeRun, Report};
use continuum_model::Phase;

/// Fewer say nothing about rates.
const LEAST: usize = 5;
/// Photos that come so much faster than they are classified let the queue grow; less may be chance.
const FASTER: f64 = 1.1;

/// Seconds between two of these times, in the mean.
fn interval_s(times: impl Iterator<Item = i64> + Clone) -> Option<f64> {
    let (first, last) = (times.clone().min()?, times.clone().max()?);
    let between = times.count().checked_sub(1).filter(|n| *n > 0)?;
    Some((last - first) as f64 / 1e9 / between as f64)
}

/// Says which workers were asked for more than they could do.
pub(super) fn add(report: &mut Report, runs: &[NodeRun]) {
    for run in runs.iter().filter(|r| r.plan.phase == Phase::Worker) {
        report.notes.extend(overload(run));
    }
}

fn overload(run: &NodeRun) -> Option<String> {
    let stages = run.samples.iter().map(|s| s.stages);
    let stages: Vec<_> = stages.filter(|s| s.replied_unix_ns > 0).collect();
    if stages.len() < LEAST {
        return None;
    }
    let come_s = interval_s(stages.iter().map(|s| s.received_unix_ns))?;
    let go_s = interval_s(stages.iter().map(|s| s.replied_unix_ns))?;
    let last = stages.iter().max_by_key(|s| s.received_unix_ns)?;
    let waited_s = (last.dequeued_unix_ns - last.received_unix_ns) as f64 / 1e9;
    (go_s > come_s * FASTER && waited_s > go_s).then(|| {
        format!(
            "worker {} is overloaded: a photo came every {come_s:.2} s and one was done every {go_s:.2} s, so that the last \
             waited {waited_s:.1} s for its turn; latencies are those of the queue: lower benchmark.frequency, or give it more \
             cores",
            run.plan.node
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::test_runs;
    use continuum_workload_core::{header::WorkerStages, photo_sample::Sample};

    /// Five photos, one every two seconds, of which each takes so long.
    fn worker(takes_s: i64) -> NodeRun {
        const SECOND: i64 = 1_000_000_000;
        let (mut samples, mut free) = (Vec::new(), 0);
        for id in 1..=5 {
            let received = 2 * id * SECOND;
            let dequeued = received.max(free);
            free = dequeued + takes_s * SECOND;
            samples.push(Sample {
                stages: WorkerStages {
                    received_unix_ns: received,
                    dequeued_unix_ns: dequeued,
                    replied_unix_ns: free,
                    ..WorkerStages::default()
                },
                ..Sample::default()
            });
        }
        test_runs::run("edge0", Phase::Worker, samples)
    }

    #[test]
    fn a_worker_that_cannot_keep_up_is_named_with_its_rates() {
        let mut report = Report::default();
        add(&mut report, &[worker(1), worker(2)]);
        assert_eq!(report.notes, Vec::<String>::new());
        add(&mut report, &[worker(13)]);
        let text = report.notes.concat();
        let rates = "a photo came every 2.00 s and one was done every 13.00 s";
        for part in ["worker edge0 is overloaded", rates, "waited 44.0 s"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}
