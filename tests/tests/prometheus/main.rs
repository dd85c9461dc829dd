//! What Prometheus and Grafana find: metrics, expressions of the dashboards, targets of a deployment. By Debian's own
//! Prometheus; skipped where there is none.
#![expect(clippy::print_stderr, reason = "reasons for skipping")]

mod deployment;

use anyhow::ensure;
use continuum_tests::{prometheus, skip};
use libtest_mimic::{Arguments, Failed, Trial};

type Case = fn() -> anyhow::Result<()>;

const CASES: &[(&str, Case)] = &[
    ("every_expression_of_the_dashboards_is_promql", promql),
    (
        "metrics_of_the_dashboard_are_named_as_prometheus_has_it",
        deployment::metrics,
    ),
    (
        "expressions_about_nodes_and_runs_return_data",
        deployment::data,
    ),
];

/// Everything in `dashboards/` but the data source.
fn dashboards() -> anyhow::Result<Vec<String>> {
    let files = std::fs::read_dir(continuum_tests::ctl::source().join("dashboards"))?;
    let names = files.map(|file| Ok(file?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<std::io::Result<_>>()?;
    let is_dashboard = |name: &String| name.ends_with(".json") && name != "datasource.json";
    Ok(names.into_iter().filter(is_dashboard).collect())
}

fn promql() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut all = Vec::new();
    for dashboard in dashboards()? {
        let expressions = prometheus::expressions(&dashboard)?;
        ensure!(!expressions.is_empty(), "{dashboard} asks nothing");
        all.extend(expressions);
    }
    prometheus::check_expressions(dir.path(), &all)?;
    let broken = prometheus::Expression {
        panel: "broken".into(),
        promql: "sum(rate(x[1m])".into(),
    };
    let checked = prometheus::check_expressions(dir.path(), &[broken]);
    ensure!(checked.is_err(), "promtool takes anything");
    Ok(())
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let missing = skip::prometheus();
    let trials = CASES.iter().map(|(name, case)| {
        if let Some(why) = &missing {
            eprintln!("skipped: {name}: {why}");
        }
        let run = move || case().map_err(|e| Failed::from(format!("{e:#}")));
        Trial::test(*name, run).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
