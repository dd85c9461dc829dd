//! Links and limits that somebody takes away: a bench says that its result is not what was asked for, and why.

use super::{
    faults::Fault,
    interrupts::{SMALL, check_gone},
    simulation::{Simulation, Stop},
};
use continuum_model::{Quantity, Validity, Verdict, VerifyMode};
use std::time::Duration;

const LIMITED: &str = "name = \"sim\"\n[infrastructure]\nprovider = \"auto\"\n\
    edge = { nodes = 1, cores = 1, memory_mib = 512, disk_read_mb_s = 20, disk_write_mb_s = 10 }\n\
    endpoint = { nodes = 2, cores = 1, memory_mib = 512, quota = 0.5 }\n\
    [network]\npreset = \"4g\"\n[software]\nresource_manager = \"mist\"\n[benchmark]\n\
    application = \"image_classification\"\nfrequency = 2\nduration_s = 4\n";

fn up(config: &str) -> Simulation {
    let mut simulation = Simulation::new(config);
    simulation.verify = VerifyMode::Quick;
    simulation.up(Stop::Never).ok();
    simulation
}

#[test]
fn a_bench_on_what_was_asked_for_is_valid_and_its_rows_are_in_the_result() {
    let mut simulation = up(LIMITED);
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(report.validity, Validity::Valid, "{:?}", report.invalid);
    let text = std::fs::read_to_string(done.dir.join("result.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["validity"], "valid");
    for when in ["before", "after"] {
        let rows = file["verification"][when]["rows"].as_array().unwrap();
        let is = |row: &&serde_json::Value, quantity: &str| row["quantity"] == quantity;
        let rate = rows.iter().find(|row| is(row, "rate")).unwrap();
        assert_eq!(
            (&rate["node"], &rate["to"]),
            (&"edge0".into(), &"endpoint0".into())
        );
        assert_eq!(rate["verdict"], "in_tolerance", "{rate}");
        let trips = rows.iter().find(|row| is(row, "round_trip")).unwrap();
        assert_eq!(trips["spread"]["count"], 200, "{trips}");
        let cores = rows.iter().filter(|row| is(row, "processor"));
        assert_eq!(cores.count(), 3);
        assert_eq!(rows.iter().filter(|row| is(row, "disk_write")).count(), 1);
    }
    check_gone(&mut simulation);
}

#[test]
fn whatever_is_taken_away_makes_the_result_invalid_with_its_cause() {
    for (node, fault, words) in [
        ("endpoint0", Fault::QdiscRemoved, "rate is not applied"),
        ("edge0", Fault::QdiscRemoved, "rate is not applied"),
        ("endpoint1", Fault::QuotaLifted, "quota is not enforced"),
        ("edge0", Fault::DiskLifted, "limit is not enforced"),
    ] {
        let mut simulation = up(LIMITED);
        simulation.plan(Duration::ZERO, node, fault);
        let done = simulation.bench(Stop::Never).ok();
        let report = &done.bench.report;
        let reasons = report.invalid.join("\n");
        println!("{fault:?}:\n{reasons}\n");
        assert_eq!(report.validity, Validity::Invalid, "{fault:?}");
        assert!(
            reasons.contains(node) && reasons.contains(words),
            "{reasons}"
        );
        // Found before and after, each tried again.
        for (_, verification) in done.bench.verification.all() {
            let out: Vec<_> = verification
                .rows_that_are(Verdict::OutOfTolerance)
                .collect();
            assert!(
                !out.is_empty() && out.iter().all(|row| row.tries == 3),
                "{out:?}"
            );
        }
    }
}

#[test]
fn what_is_taken_away_during_a_run_is_found_after_it() {
    let mut simulation = up(LIMITED);
    let begun = simulation.world.now().elapsed();
    simulation.bench(Stop::Never).ok();
    let took = simulation.world.now().elapsed().saturating_sub(begun);
    simulation.plan(took / 2, "endpoint0", Fault::QuotaLifted);
    let done = simulation.bench(Stop::Never).ok();
    let verification = &done.bench.verification;
    assert!(verification.before.as_ref().unwrap().is_as_asked());
    let after = verification.after.as_ref().unwrap();
    let mut out = after.rows_that_are(Verdict::OutOfTolerance);
    assert!(out.any(|row| row.quantity == Quantity::Processor));
    let reasons = done.bench.report.invalid.join("\n");
    assert!(
        reasons.contains("after the run: endpoint0 cpu"),
        "{reasons}"
    );
}

#[test]
fn without_a_measurement_a_result_is_unverified() {
    let mut simulation = up(SMALL);
    simulation.verify = VerifyMode::default();
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(report.validity, Validity::Unverified);
    let notes = report.notes.join("\n");
    assert!(
        notes.contains("not measured before and after the run"),
        "{notes}"
    );
    simulation.verify = VerifyMode::Quick;
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(report.validity, Validity::Valid, "{:?}", report.invalid);
    let notes = report.notes.join("\n");
    assert!(!notes.contains("not measured"), "{notes}");
}

#[test]
fn a_link_that_was_changed_by_hand_is_measured_as_it_was_changed() {
    let mut simulation = up(SMALL);
    simulation
        .network(
            "set edge0 endpoint1 latency_ms=40 loss_percent=1",
            Stop::Never,
        )
        .ok();
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(report.validity, Validity::Valid, "{:?}", report.invalid);
    let before = done.bench.verification.before.as_ref().unwrap();
    let asked = |quantity: Quantity| {
        let rows = before.rows.iter().filter(|row| row.quantity == quantity);
        rows.filter_map(|row| row.asked).collect::<Vec<_>>()
    };
    assert_eq!(asked(Quantity::RoundTrip), [15.0, 80.0]);
    let loss = asked(Quantity::Loss);
    assert!((loss[1] - 1.99).abs() < 1e-6, "{loss:?}");
}

#[test]
fn full_measures_every_way() {
    let mut simulation = up(SMALL);
    simulation.verify = VerifyMode::Full;
    let done = simulation.bench(Stop::Never).ok();
    let before = done.bench.verification.before.unwrap();
    let trips = before
        .rows
        .iter()
        .filter(|r| r.quantity == Quantity::RoundTrip);
    assert_eq!(trips.count(), 2);
    assert!(before.is_as_asked(), "{:?}", before.rows);
}
