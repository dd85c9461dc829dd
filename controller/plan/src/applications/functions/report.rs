//! Calls of functions: one row for each function.

use continuum_model::{Cell, FunctionSample, NodeRun, NodeTime, PodRecord, Report, Table};
use continuum_workload_core::{
    call::Call,
    stats::{LEAST_FOR_P95, LEAST_FOR_P99, LatencyHistogram, Percentiles, round_to},
};
use std::collections::BTreeMap;

/// Of all calls of a function; beyond it the percentiles of the others are not what was asked for.
const FEW: f64 = 0.01;

fn two(value: Option<f64>) -> Cell {
    Cell::Float(value.map(|v| round_to(v, 2)))
}

/// Adds the table; a run without a single good call of a function is not to be used. Latency is from the moment when the
/// endpoint began with a call, as upstream counts it.
pub fn add(report: &mut Report, runs: &[NodeRun], samples: &[FunctionSample]) {
    let mut by_function: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in runs.iter().flat_map(|r| &r.calls) {
        by_function.entry(&call.function).or_default().push(call);
    }
    let mut table = Table::new(
        "function_table.csv",
        "FUNCTION OUTPUT",
        &[
            "function",
            "invocations",
            "failures",
            "cold_starts",
            "p50 (ms)",
            "p95 (ms)",
            "p99 (ms)",
            "cold_avg (ms)",
            "replicas_max",
            "cpu_max (cores)",
            "memory_max (MB)",
        ],
    );
    for (function, calls) in &by_function {
        let good = calls.iter().filter(|c| c.is_good());
        let failures = calls.len() - good.clone().count();
        let ms = |call: &&&Call| (call.answered_ns - call.begun_ns) as f64 / 1e6;
        let mut histogram = LatencyHistogram::default();
        for call in good.clone().filter(|c| !c.is_cold) {
            histogram.record_ns(call.answered_ns - call.begun_ns);
        }
        let cold: Vec<f64> = good.filter(|c| c.is_cold).map(|c| ms(&c)).collect();
        let cold_mean = (!cold.is_empty()).then(|| cold.iter().sum::<f64>() / cold.len() as f64);
        let own = samples.iter().filter(|s| s.function == *function);
        let cores = own.clone().filter_map(|s| s.cpu_cores).reduce(f64::max);
        let memory = own.clone().filter_map(|s| s.memory_bytes).max();
        let percentiles = histogram.percentiles();
        let of = |pick: fn(&Percentiles) -> Option<f64>| two(percentiles.as_ref().and_then(pick));
        table.row(vec![
            Cell::Text((*function).to_owned()),
            Cell::Int(calls.len() as i64),
            Cell::Int(failures as i64),
            Cell::Int(cold.len() as i64),
            of(|p| Some(p.p50_ms)),
            of(|p| p.p95_ms),
            of(|p| p.p99_ms),
            two(cold_mean),
            Cell::Int(own.map(|s| s.available).max().unwrap_or_default() as i64),
            two(cores),
            two(memory.map(|m| m as f64 / 1e6)),
        ]);
        let of = calls.len();
        let text = format!("function {function}: {failures} of {of} calls failed");
        if failures == of {
            let text = format!("function {function}: not one of {failures} calls was answered");
            report.invalid.push(text);
        } else if failures as f64 > of as f64 * FEW {
            report.invalid.push(text);
        } else if failures > 0 {
            report.notes.push(text);
        }
    }
    for (name, pick) in [
        ("calls", (|_| true) as fn(&Call) -> bool),
        ("failed_calls", |c| !c.is_good()),
        ("cold_starts", |c| c.is_cold),
    ] {
        let all = runs.iter().flat_map(|r| &r.calls);
        report
            .counts
            .insert(name.to_owned(), all.filter(|c| pick(c)).count() as u64);
    }
    report.notes.push(format!(
        "percentiles of functions are those of warm calls; cold ones stand beside them; p95 takes {LEAST_FOR_P95} calls, and \
         p99 takes {LEAST_FOR_P99}"
    ));
    report.tables.push(table);
}

/// Where the time of a start went, for every replica that started while somebody looked. Scheduling and readiness are told
/// by the API in whole seconds, the rest by the node's logs.
pub fn add_starts(report: &mut Report, pods: &[PodRecord]) {
    let columns = [
        "pod",
        "scheduled (s)",
        "sandbox (ms)",
        "created (ms)",
        "started (ms)",
        "ready (s)",
    ];
    let mut table = Table::new("starts.csv", "START OUTPUT", &columns);
    for pod in pods {
        let node = |stage: &str| pod.node_times_unix_ns.get(stage).copied();
        let api = |stage: &str| pod.times_unix_s.get(stage).copied();
        // Who was there before has left no trace in the logs of this time.
        let Some(received) = node("kubelet_pod_received") else {
            continue;
        };
        let api_s = |later: &str, earlier: &str| {
            let length = api(later).zip(api(earlier)).map(|(l, e)| (l - e) as f64);
            two(length)
        };
        let ms = |later: Option<NodeTime>, earlier: Option<NodeTime>| {
            let length = later.zip(earlier).map(|(l, e)| l.ns_since(e) as f64 / 1e6);
            two(length)
        };
        let sandbox = node("kubelet_applied_sandbox");
        let created = node("kubelet_created_container");
        table.row(vec![
            Cell::Text(pod.pod.clone()),
            api_s("scheduled", "created"),
            ms(sandbox, Some(received)),
            ms(created, sandbox),
            ms(node("kubelet_started_container"), created),
            api_s("ready", "created"),
        ]);
    }
    if !table.rows.is_empty() {
        report.tables.push(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::test_runs::run;
    use continuum_model::{ControllerTime, Phase};

    #[test]
    fn warm_and_cold_calls_are_told_apart_and_failures_counted() {
        let call = |ms: i64, is_cold, status| Call {
            function: "f".into(),
            begun_ns: 0,
            answered_ns: ms * 1_000_000,
            status,
            is_cold,
            ..Call::default()
        };
        let mut one = run("endpoint0", Phase::Endpoint, Vec::new());
        one.calls = vec![
            call(10, false, 200),
            call(10, false, 200),
            call(900, true, 200),
            call(0, false, 502),
        ];
        let sample = |available, cpu_cores| FunctionSample {
            time_unix_ns: ControllerTime::default(),
            function: "f".into(),
            replicas: available,
            available,
            cpu_cores,
            memory_bytes: None,
        };
        let samples = [sample(1, None), sample(3, Some(0.5))];
        let mut report = Report::default();
        add(&mut report, &[one], &samples);
        let row = &report.tables[0].rows[0];
        assert_eq!(row[1..4], [Cell::Int(4), Cell::Int(1), Cell::Int(1)]);
        let Cell::Float(Some(p50)) = row[4] else {
            panic!("{row:?}")
        };
        assert!((p50 - 10.0).abs() < 0.2, "{p50}");
        assert_eq!(row[7], Cell::Float(Some(900.0)));
        assert_eq!(row[8..10], [Cell::Int(3), Cell::Float(Some(0.5))]);
        assert_eq!(report.counts["failed_calls"], 1);
    }

    #[test]
    fn a_few_failed_calls_are_a_note_and_more_of_them_no_result() {
        let report_of = |failures: usize| {
            let call = |n| Call {
                function: "f".into(),
                answered_ns: 1_000_000,
                status: if n < failures { 502 } else { 200 },
                ..Call::default()
            };
            let mut one = run("endpoint0", Phase::Endpoint, Vec::new());
            one.calls = (0..200).map(call).collect();
            let mut report = Report::default();
            add(&mut report, &[one], &[]);
            report
        };
        for (failures, is_valid) in [(0, true), (2, true), (3, false), (200, false)] {
            let report = report_of(failures);
            assert_eq!(report.invalid.is_empty(), is_valid, "{:?}", report.invalid);
            let said = report.invalid.iter().chain(&report.notes);
            let told = said.filter(|t| t.starts_with("function f: ")).count();
            assert_eq!(told, usize::from(failures > 0), "{failures}");
        }
    }

    #[test]
    fn a_start_is_split_into_its_parts() {
        let pod = PodRecord {
            pod: "f-1".into(),
            times_unix_s: [("created", 10), ("scheduled", 11), ("ready", 14)].into(),
            node_times_unix_ns: [
                ("kubelet_pod_received", 11_000),
                ("kubelet_applied_sandbox", 11_800),
                ("kubelet_created_container", 11_900),
                ("kubelet_started_container", 12_400),
            ]
            .map(|(stage, ms)| (stage, NodeTime::from_unix_ns(ms * 1_000_000)))
            .into(),
            ..PodRecord::default()
        };
        let mut report = Report::default();
        add_starts(&mut report, &[pod, PodRecord::default()]);
        let values: Vec<Cell> = report.tables[0].rows[0][1..].to_vec();
        let want = [1.0, 800.0, 100.0, 500.0, 4.0].map(|v| Cell::Float(Some(v)));
        assert_eq!(values, want);
        assert_eq!(report.tables[0].rows.len(), 1);
    }
}
