//! Results of `container`: metrics as the user's containers printed them.

use continuum_model::{Cell, NodeRun, Phase, Report, Table};
use continuum_workload_core::stats::{LEAST_FOR_P95, LEAST_FOR_P99, mean, quantile, round_to};

/// One row for each metric of each run.
pub(super) fn report(runs: &[NodeRun]) -> Report {
    let columns = [
        "node", "role", "metric", "count", "mean", "p50", "p95", "p99", "max",
    ];
    let mut table = Table::new("workers.csv", "CONTAINER OUTPUT", &columns);
    let mut report = Report::default();
    for run in runs {
        let role = match run.plan.phase {
            Phase::Worker => "worker",
            Phase::Endpoint => "endpoint",
        };
        for (name, values) in &run.metrics {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let three = |v: Option<f64>| Cell::Float(v.map(|v| round_to(v, 3)));
            let of_many = |share, least: u64| {
                let is_enough = sorted.len() as u64 >= least;
                three(quantile(&sorted, share).filter(|_| is_enough))
            };
            table.row(vec![
                Cell::Text(run.plan.node.clone()),
                Cell::Text(role.into()),
                Cell::Text(name.clone()),
                Cell::Int(sorted.len() as i64),
                three(mean(&sorted)),
                three(quantile(&sorted, 0.50)),
                of_many(0.95, LEAST_FOR_P95),
                of_many(0.99, LEAST_FOR_P99),
                three(sorted.last().copied()),
            ]);
        }
        if !run.is_complete() {
            report.invalid.push(format!(
                "container on {} did not end well: {}",
                run.plan.node,
                run.how_ended()
            ));
        }
    }
    report.tables.push(table);
    report
}
