//! Results of `container`: metrics as the user's containers printed them.

use continuum_model::{Cell, NodeRun, Phase, Report, Table};
use continuum_workload_core::stats::round_to;

/// `values` sorted; the smallest that so many percent of all are not above.
fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

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
            let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
            let three = |v: Option<f64>| Cell::Float(v.map(|v| round_to(v, 3)));
            table.row(vec![
                Cell::Text(run.plan.node.clone()),
                Cell::Text(role.into()),
                Cell::Text(name.clone()),
                Cell::Int(sorted.len() as i64),
                three(Some(mean)),
                three(percentile(&sorted, 50.0)),
                three(percentile(&sorted, 95.0)),
                three(percentile(&sorted, 99.0)),
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

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_printed() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), Some(50.0));
        assert_eq!(percentile(&values, 99.0), Some(99.0));
        assert_eq!(percentile(&[7.0], 99.0), Some(7.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
