//! Results of `image_classification`.

use super::{NodeRun, Report, Table};
use crate::{
    applications::Phase,
    config::{Benchmark, Mode},
    plan::Plan,
};
use continuum_workload_core::{
    record::Sample,
    stats::{LatencyHistogram, round_to, upstream_trimmed},
};
use std::collections::HashMap;

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// As Python prints a float that was rounded to two decimals.
fn two(value: f64) -> String {
    format!("{:?}", round_to(value, 2))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean and deviation after upstream's trimming, `nan` as Python has it when there is nothing.
fn trimmed(values: &[f64]) -> (String, String) {
    upstream_trimmed(values).map_or_else(
        || ("nan".into(), "nan".into()),
        |t| (two(t.mean), two(t.stdev)),
    )
}

/// Seconds from the first to the last of these times.
fn span_s(times: impl Iterator<Item = i64> + Clone) -> String {
    match (times.clone().filter(|t| *t > 0).min(), times.max()) {
        (Some(first), Some(last)) => two((last - first) as f64 / 1e9),
        _ => "nan".into(),
    }
}

/// Tables, stages, counts and reasons against the run.
pub fn report(plan: &Plan, benchmark: &Benchmark, runs: &[NodeRun]) -> Report {
    let mut report = Report::default();
    let endpoints: Vec<&NodeRun> = runs
        .iter()
        .filter(|r| r.plan.phase == Phase::Endpoint)
        .collect();
    if plan.mode == Mode::Endpoint {
        report.tables.push(alone_table(&endpoints));
    } else {
        let banner = if plan.mode == Mode::Cloud {
            "CLOUD OUTPUT"
        } else {
            "EDGE OUTPUT"
        };
        let workers: Vec<&NodeRun> = runs
            .iter()
            .filter(|r| r.plan.phase == Phase::Worker)
            .collect();
        report
            .tables
            .push(worker_table(banner, &workers, &endpoints));
        report.tables.push(endpoint_table(&endpoints));
    }
    stages(&mut report, plan.mode, &endpoints);
    counts(&mut report, benchmark, runs, &endpoints);
    report
}

/// When the endpoint began with each photo, by endpoint and number: the worker's delay is counted from there.
fn begun_times(endpoints: &[&NodeRun]) -> HashMap<(String, u64), i64> {
    endpoints
        .iter()
        .flat_map(|r| &r.samples)
        .map(|s| ((s.endpoint.clone(), s.id), s.begun_ns))
        .collect()
}

fn worker_table(banner: &str, workers: &[&NodeRun], endpoints: &[&NodeRun]) -> Table {
    let mut table = Table::new(
        banner,
        &[
            "worker_id",
            "total_time (s)",
            "delay_avg (ms)",
            "delay_stdev (ms)",
            "proc_time/data (ms)",
        ],
    );
    let begun = begun_times(endpoints);
    for (index, run) in workers.iter().enumerate() {
        let delays: Vec<f64> = run
            .samples
            .iter()
            .map(|s| {
                let sent = begun
                    .get(&(s.endpoint.clone(), s.id))
                    .copied()
                    .unwrap_or(s.sent_ns);
                ms(s.stages.received_unix_ns - sent)
            })
            .collect();
        let processing: Vec<f64> = run
            .samples
            .iter()
            .map(|s| ms(s.stages.classified_unix_ns - s.stages.dequeued_unix_ns))
            .collect();
        let total = span_s(
            run.samples
                .iter()
                .flat_map(|s| [s.stages.dequeued_unix_ns, s.stages.replied_unix_ns]),
        );
        let (average, deviation) = trimmed(&delays);
        table.row(vec![
            index.to_string(),
            total,
            average,
            deviation,
            trimmed(&processing).0,
        ]);
    }
    table
}

fn latencies(samples: &[Sample]) -> Vec<f64> {
    samples
        .iter()
        .filter(|s| s.is_answered())
        .map(|s| ms(s.answered_ns - s.begun_ns))
        .collect()
}

fn total_time(run: &NodeRun) -> String {
    span_s(run.samples.iter().flat_map(|s| [s.begun_ns, s.answered_ns]))
}

fn endpoint_table(endpoints: &[&NodeRun]) -> Table {
    let mut table = Table::new(
        "ENDPOINT OUTPUT",
        &[
            "connected_to",
            "total_time (s)",
            "preproc_time/data (ms)",
            "data_size_avg (kb)",
            "latency_avg (ms)",
            "latency_stdev (ms)",
        ],
    );
    for run in endpoints {
        let preparation: Vec<f64> = run
            .samples
            .iter()
            .map(|s| ms(s.sent_ns - s.begun_ns))
            .collect();
        let sizes: Vec<f64> = run
            .samples
            .iter()
            .map(|s| s.bytes as f64 / 1000.0)
            .collect();
        let (average, deviation) = trimmed(&latencies(&run.samples));
        table.row(vec![
            run.plan.connected_to.unwrap_or_default().to_string(),
            total_time(run),
            trimmed(&preparation).0,
            mean(&sizes).map_or_else(|| "nan".into(), two),
            average,
            deviation,
        ]);
    }
    table
}

fn alone_table(endpoints: &[&NodeRun]) -> Table {
    let mut table = Table::new(
        "ENDPOINT OUTPUT",
        &[
            "endpoint_id",
            "total_time (s)",
            "proc_time/data (ms)",
            "latency_avg (ms)",
            "latency_stdev (ms)",
        ],
    );
    for (index, run) in endpoints.iter().enumerate() {
        let processing: Vec<f64> = run
            .samples
            .iter()
            .filter(|s| s.is_answered())
            .map(|s| ms(s.stages.classified_unix_ns - s.stages.dequeued_unix_ns))
            .collect();
        let (average, deviation) = trimmed(&latencies(&run.samples));
        table.row(vec![
            index.to_string(),
            total_time(run),
            trimmed(&processing).0,
            average,
            deviation,
        ]);
    }
    table
}

/// One-way times compare two clocks and are left out here; those of one clock are exact.
fn stages(report: &mut Report, mode: Mode, endpoints: &[&NodeRun]) {
    let mut histograms: HashMap<&str, LatencyHistogram> = HashMap::new();
    for sample in endpoints
        .iter()
        .flat_map(|r| &r.samples)
        .filter(|s| s.is_answered())
    {
        let stages = &sample.stages;
        let worker = stages.replied_unix_ns - stages.received_unix_ns;
        let total = sample.answered_ns - sample.sent_ns;
        let mut add = |name, ns| histograms.entry(name).or_default().record_ns(ns);
        add("end_to_end_from_due", sample.answered_ns - sample.due_ns);
        add("1_generate", sample.sent_ns - sample.due_ns);
        add("3_queue", stages.dequeued_unix_ns - stages.received_unix_ns);
        add("4_decode", stages.decoded_unix_ns - stages.dequeued_unix_ns);
        add(
            "5_infer",
            stages.classified_unix_ns - stages.decoded_unix_ns,
        );
        if mode != Mode::Endpoint {
            add("2+6_network_both_ways", total - worker);
        }
    }
    for (name, histogram) in histograms {
        if let Some(percentiles) = histogram.percentiles() {
            report.stages.insert(name.to_owned(), percentiles);
        }
    }
}

fn counts(report: &mut Report, benchmark: &Benchmark, runs: &[NodeRun], endpoints: &[&NodeRun]) {
    let asked = (benchmark.frequency * benchmark.duration_s)
        .round()
        .max(1.0) as u64;
    let sum =
        |field: fn(&continuum_workload_core::event::Summary) -> u64, of: &[&NodeRun]| -> u64 {
            of.iter()
                .filter_map(|r| r.summary.as_ref())
                .map(field)
                .sum()
        };
    let all: Vec<&NodeRun> = runs.iter().collect();
    let answered = endpoints
        .iter()
        .flat_map(|r| &r.samples)
        .filter(|s| s.is_answered())
        .count() as u64;
    let mut set = |name: &str, value| report.counts.insert(name.to_owned(), value);
    set("asked", asked * endpoints.len() as u64);
    set("sent", sum(|s| s.sent, endpoints));
    set("answered", answered);
    set("lost", sum(|s| s.lost, endpoints));
    set("duplicates", sum(|s| s.duplicates, endpoints));
    set("slips", sum(|s| s.slips, endpoints));
    set("dropped", sum(|s| s.dropped, &all));
    set("bad_inputs", sum(|s| s.bad_inputs, endpoints));
    set("reconnects", sum(|s| s.reconnects, &all));
    for run in &all {
        if !run.is_complete() {
            let text = format!(
                "run {} on node {} did not finish: {}",
                run.plan.id,
                run.plan.node,
                run.how_ended()
            );
            report.invalid.push(text);
        }
    }
    for run in endpoints {
        let summary = run.summary.clone().unwrap_or_default();
        if run.is_complete() && (summary.sent < asked || summary.lost > 0) {
            report.invalid.push(format!(
                "endpoint {}: {} of {asked} photos sent, {} without an answer",
                run.plan.node, summary.sent, summary.lost
            ));
        }
    }
    let dropped = report.counts.get("dropped").copied().unwrap_or_default();
    if dropped > 0 {
        report.invalid.push(format!(
            "{dropped} photos were dropped because the worker's queue was full"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_like_pythons() {
        assert_eq!(two(61.4), "61.4");
        assert_eq!(two(123.456), "123.46");
        assert_eq!(two(60.0), "60.0");
        assert_eq!(span_s([0, 1_000_000_000, 3_500_000_000].into_iter()), "2.5");
        assert_eq!(span_s(std::iter::empty()), "nan");
    }
}
