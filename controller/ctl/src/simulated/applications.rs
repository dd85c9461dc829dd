//! Applications from the first run to the last: what their results say.

use super::{
    agent::RUN_BYTES,
    interrupts::{SMALL, check_gone, check_valid},
    simulation::{Simulation, Stop},
};
use continuum_model::{Table, Validity};

/// The machines of [`SMALL`] with another application, three on the worker.
fn simulation(application: &str) -> Simulation {
    let machines = SMALL.split_once("application = ");
    let (machines, _) = machines.unwrap_or_else(|| panic!("no application in {SMALL}"));
    let mut simulation = Simulation::new(&format!(
        "{machines}applications_per_worker = 3\napplication = {application}\n"
    ));
    simulation.up(Stop::Never).ok();
    simulation
}

fn table<'a>(tables: &'a [Table], file: &str) -> &'a Table {
    let found = tables.iter().find(|t| t.file == file);
    found.unwrap_or_else(|| panic!("no {file} in {tables:?}"))
}

#[test]
fn stress_keeps_all_busy_for_its_time_and_says_how_long_that_was() {
    let mut simulation = simulation("\"stress\"\nstress_timeout_s = 30");
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(
        report.validity,
        Validity::Unverified,
        "{:?}",
        report.invalid
    );
    let csv = table(&report.tables, "workers.csv").to_csv();
    assert_eq!(csv.matches("edge0").count(), 3, "{csv}");
    let notes = report.notes.join("\n");
    assert!(notes.contains("total stress duration: 3"), "{notes}");
    check_gone(&mut simulation);
}

#[test]
fn mem_usage_sees_what_those_take_that_are_there_and_then_ends_them() {
    let mut simulation = simulation("\"mem_usage\"");
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(
        report.validity,
        Validity::Unverified,
        "{:?}",
        report.invalid
    );
    let csv = table(&report.tables, "memory.csv").to_csv();
    let each = RUN_BYTES / 1_000_000;
    assert!(
        csv.contains(&format!("edge0,3,400.0,{}.0,{each}.0", 400 - 3 * each)),
        "{csv}"
    );
    assert_eq!(simulation.runs_under_way(), Vec::<String>::new());
    check_valid(&mut simulation);
    check_gone(&mut simulation);
}

#[test]
fn photos_are_expected_to_take_what_their_links_were_asked_for() {
    let mut simulation = Simulation::new(SMALL);
    simulation.up(Stop::Never).ok();
    let done = simulation.bench(Stop::Never).ok();
    let rows = &done.bench.report.prediction;
    let of = |stage: &str| {
        let row = rows.iter().find(|row| row.stage == stage);
        row.unwrap_or_else(|| panic!("no {stage} in {rows:?}"))
    };
    let is_about =
        |ms: Option<f64>, asked_ms: f64| ms.is_some_and(|ms| (ms - asked_ms).abs() < 0.1);
    // 70000 bytes with the headers of 49 packets at 7.21 Mbit/s, and 7.5 ms. The simulated link knows only the latter.
    let uplink = of("2_uplink");
    assert!(is_about(uplink.expected_ms, 88.76), "{uplink:?}");
    assert!(is_about(Some(uplink.measured_ms), 7.5), "{uplink:?}");
    let infer = of("5_infer");
    assert!(is_about(infer.error_ms, 0.0), "{infer:?}");
    check_gone(&mut simulation);
}
