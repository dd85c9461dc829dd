//! Results of `image_classification`.

mod counts;
mod overload;
mod stages;

use continuum_model::{
    Cell, Clocks, EndpointTime, Mode, NodeClock, NodeRun, Phase, PhotoTimes, Plan, Report, Table,
    UnixTime, clock_offset, is_classified,
};
use continuum_workload_core::{
    photo_sample::Sample,
    stats::{mean, round_to, upstream_trimmed},
};
use std::collections::HashMap;

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

fn two(value: f64) -> Cell {
    Cell::Float(Some(round_to(value, 2)))
}

/// Mean and deviation after upstream's trimming; upstream drops what is below zero, with a warning.
fn trimmed(report: &mut Report, what: &str, values: &[f64]) -> (Cell, Cell) {
    let negative = values.iter().filter(|v| **v < 0.0).count();
    if negative > 0 {
        report.notes.push(format!(
            "{what}: {negative} of {} values are below zero and were left out; clocks differ by more than they are long",
            values.len()
        ));
    }
    upstream_trimmed(values).map_or_else(
        || (Cell::Float(None), Cell::Float(None)),
        |t| (Cell::Float(Some(t.mean)), Cell::Float(Some(t.stdev))),
    )
}

/// Seconds from the first to the last of these times.
fn span_s<C: NodeClock + Ord + Copy + Default>(
    times: impl Iterator<Item = UnixTime<C>> + Clone,
) -> Cell {
    let happened = times.clone().filter(|t| *t > UnixTime::default());
    match (happened.min(), times.max()) {
        (Some(first), Some(last)) => two(last.s_since(first)),
        _ => Cell::Float(None),
    }
}

/// What was asked of each endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) photos: u64,
    /// Photos that are due before it count in no percentile.
    pub(crate) warm_up_s: f64,
}

/// Tables, stages, counts and reasons against the run.
pub(crate) fn report(plan: &Plan, asked: Asked, runs: &[NodeRun], clocks: &Clocks) -> Report {
    let mut report = Report::default();
    let endpoints: Vec<&NodeRun> = runs
        .iter()
        .filter(|r| r.plan.phase == Phase::Endpoint)
        .collect();
    if plan.mode == Mode::Endpoint {
        let table = alone_table(&mut report, &endpoints);
        report.tables.push(table);
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
        let table = worker_table(&mut report, banner, &workers, &endpoints, clocks);
        report.tables.push(table);
        let table = endpoint_table(&mut report, &endpoints);
        report.tables.push(table);
    }
    stages::add(&mut report, plan.mode, runs, clocks, asked.warm_up_s);
    counts::add(&mut report, asked.photos, runs, &endpoints);
    overload::add(&mut report, runs);
    report
}

/// When the endpoint began with each photo, by endpoint and number: the worker's delay is counted from there.
fn begun_times(endpoints: &[&NodeRun]) -> HashMap<(String, u64), EndpointTime> {
    endpoints
        .iter()
        .flat_map(|r| &r.samples)
        .map(|s| ((s.endpoint.clone(), s.id), PhotoTimes::from(s).begun))
        .collect()
}

/// `delay` compares two clocks, so their measured difference is taken out of it.
fn worker_table(
    report: &mut Report,
    banner: &str,
    workers: &[&NodeRun],
    endpoints: &[&NodeRun],
    clocks: &Clocks,
) -> Table {
    let mut table = Table::new(
        "workers.csv",
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
        let here = clock_offset(clocks, &run.plan.node);
        let delays: Vec<f64> = run
            .samples
            .iter()
            .map(|s| {
                let there = clock_offset(clocks, &s.endpoint);
                let times = PhotoTimes::from(s);
                let begun = begun.get(&(s.endpoint.clone(), s.id));
                let sent = there.to_controller(begun.copied().unwrap_or(times.sent));
                ms(here.to_controller(times.received).ns_since(sent))
            })
            .collect();
        let processing: Vec<f64> = run
            .samples
            .iter()
            .filter(|s| s.class >= 0)
            .map(|s| ms(PhotoTimes::from(s).processing_ns()))
            .collect();
        let total = span_s(
            run.samples
                .iter()
                .map(PhotoTimes::from)
                .flat_map(|t| [t.dequeued, t.replied]),
        );
        let (average, deviation) = trimmed(report, &format!("delay of worker {index}"), &delays);
        let processing = trimmed(
            report,
            &format!("processing of worker {index}"),
            &processing,
        )
        .0;
        table.row(vec![
            Cell::Int(index as i64),
            total,
            average,
            deviation,
            processing,
        ]);
    }
    table
}

fn latencies(samples: &[Sample]) -> Vec<f64> {
    samples
        .iter()
        .filter(|s| is_classified(s))
        .map(PhotoTimes::from)
        .map(|t| ms(t.answered.ns_since(t.begun)))
        .collect()
}

/// Mean and standard deviation of an endpoint's latencies, outliers left out.
fn latency(report: &mut Report, run: &NodeRun) -> (Cell, Cell) {
    let what = format!("latency of {}", run.plan.node);
    trimmed(report, &what, &latencies(&run.samples))
}

fn total_time(run: &NodeRun) -> Cell {
    let times = run.samples.iter().map(PhotoTimes::from);
    span_s(times.flat_map(|t| [t.begun, t.answered]))
}

fn endpoint_table(report: &mut Report, endpoints: &[&NodeRun]) -> Table {
    let mut table = Table::new(
        "endpoints.csv",
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
            .map(PhotoTimes::from)
            .map(|t| ms(t.sent.ns_since(t.begun)))
            .collect();
        let sizes: Vec<f64> = run
            .samples
            .iter()
            .map(|s| s.bytes as f64 / 1000.0)
            .collect();
        let node = &run.plan.node;
        let (average, deviation) = latency(report, run);
        let preparation = trimmed(report, &format!("preparation of {node}"), &preparation).0;
        table.row(vec![
            Cell::Int(run.plan.connected_to.unwrap_or_default() as i64),
            total_time(run),
            preparation,
            mean(&sizes).map_or(Cell::Float(None), two),
            average,
            deviation,
        ]);
    }
    table
}

fn alone_table(report: &mut Report, endpoints: &[&NodeRun]) -> Table {
    let mut table = Table::new(
        "endpoints.csv",
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
            .filter(|s| is_classified(s))
            .map(|s| ms(PhotoTimes::from(s).processing_ns()))
            .collect();
        let node = &run.plan.node;
        let (average, deviation) = latency(report, run);
        let processing = trimmed(report, &format!("processing of {node}"), &processing).0;
        table.row(vec![
            Cell::Int(index as i64),
            total_time(run),
            processing,
            average,
            deviation,
        ]);
    }
    table
}

#[cfg(test)]
mod tests;
