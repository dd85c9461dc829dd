//! Applications from the first run to the last: what their results say.

use super::{
    agent::RUN_BYTES,
    interrupts::{SMALL, check_gone, check_valid},
    simulation::{Simulation, Stop},
};
use continuum_model::{Table, Validity};

/// The machines of [`SMALL`] with another application, three on the worker.
fn simulation(application: &str) -> Simulation {
    let machines = SMALL.split("application = ").next().unwrap();
    let mut simulation = Simulation::new(&format!(
        "{machines}applications_per_worker = 3\napplication = {application}\n"
    ));
    simulation.up(Stop::Never).ok();
    simulation
}

fn table<'a>(tables: &'a [Table], file: &str) -> &'a Table {
    tables.iter().find(|t| t.file == file).unwrap()
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
    let text = std::fs::read_to_string(done.dir.join("result.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |stage: &str, field: &str| {
        let rows = file["prediction"].as_array().unwrap();
        let row = rows.iter().find(|row| row["stage"] == stage);
        let row = row.unwrap_or_else(|| panic!("no {stage} in {rows:?}"));
        row[field].as_f64().unwrap()
    };
    let is_about = |ms: f64, expected_ms: f64| (ms - expected_ms).abs() < 0.1;
    // 70000 bytes with the headers of 49 packets at 7.21 Mbit/s, and 7.5 ms. The simulated link knows only the latter.
    let (expected_ms, measured_ms) = (of("2_uplink", "expected_ms"), of("2_uplink", "measured_ms"));
    assert!(is_about(expected_ms, 88.76), "{expected_ms}");
    assert!(is_about(measured_ms, 7.5), "{measured_ms}");
    let error_ms = of("5_infer", "error_ms");
    assert!(is_about(error_ms, 0.0), "{error_ms}");
    check_gone(&mut simulation);
}
