//! What is lost or wrong during a bench, and what its result says of it; and when the links of a timeline change.

use super::{
    faults::Fault,
    interrupts::{SMALL, TIMELINE, check_gone, check_valid},
    simulation::{Simulation, Stop},
};
use continuum_host::{error::chain, exit::Exit};
use continuum_model::Validity;
use std::time::Duration;

/// When the photos of [`SMALL`] are under way.
const MIDDLE: Duration = Duration::from_millis(3500);

#[test]
fn what_is_lost_during_a_bench_makes_its_result_invalid_and_is_told() {
    for node in ["edge0", "endpoint1"] {
        for (fault, words) in [
            (Fault::Dead, "its node was lost"),
            (Fault::Silent, "its node was lost"),
            (Fault::Restarted, "was started again during the run"),
            (Fault::Crash, "exit code 101"),
            (Fault::FullDisk, "samples are here"),
            (Fault::LostSamples(2), "samples are here"),
        ] {
            let mut simulation = Simulation::new(SMALL);
            simulation.up(Stop::Never).ok();
            simulation.plan(MIDDLE, node, fault);
            let done = simulation.bench(Stop::Never).ok();
            let reasons = done.bench.report.invalid.join("\n");
            println!("{node} {fault:?}:\n{reasons}\n");
            assert_eq!(done.bench.report.validity, Validity::Invalid);
            assert!(reasons.contains(node) && reasons.contains(words));
            assert_eq!(simulation.result_files(), 1);
            // The same commands put it right.
            simulation.clear_faults();
            simulation.up(Stop::Never).ok();
            check_valid(&mut simulation);
            check_gone(&mut simulation);
        }
    }
}

#[test]
fn what_is_only_late_or_shows_another_time_spoils_nothing() {
    let mut simulation = Simulation::new(SMALL);
    simulation.up(Stop::Never).ok();
    simulation.plan(MIDDLE, "edge0", Fault::Late(Duration::from_secs(3)));
    check_valid(&mut simulation);
    simulation.clear_faults();
    simulation.plan(MIDDLE, "endpoint0", Fault::WrongClock(3_600_000_000_000));
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(
        report.validity,
        Validity::Unverified,
        "{:?}",
        report.invalid
    );
    let notes = report.notes.join("\n");
    assert!(
        notes.contains("the clock of endpoint0 was set by +3600.000 s during the run"),
        "{notes}"
    );
    // What compares it with another is as before, and end to end was never in doubt.
    assert!(notes.contains("is known to ± 0.40 ms"), "{notes}");
    let end_to_end = &report.stages["end_to_end_from_due"];
    assert!(end_to_end.max_ms < 1000.0, "{end_to_end:?}");
    assert_eq!(done.bench.clock_tracks["endpoint0"].steps.len(), 1);
}

#[test]
fn clocks_that_are_wrong_are_set_by_up_and_before_a_run() {
    let mut simulation = Simulation::new(SMALL);
    let wrong = Fault::WrongClock(-812_000_000);
    simulation.plan(Duration::from_millis(100), "edge0", wrong);
    simulation.up(Stop::Never).ok();
    let off = |simulation: &Simulation| -> Vec<i64> {
        let inner = simulation.world.now();
        inner.machines.values().map(|m| m.clock.offset_ns).collect()
    };
    assert_eq!(off(&simulation), [0, 0, 0]);
    simulation.plan(Duration::ZERO, "endpoint0", wrong);
    let done = simulation.bench(Stop::Never).ok();
    assert_eq!(off(&simulation), [0, 0, 0]);
    assert_eq!(done.bench.clocks["endpoint0"].before.offset_ns, 0);
}

#[test]
fn every_second_of_a_bench_is_in_a_stage() {
    let mut simulation = Simulation::new(&format!("{SMALL}{TIMELINE}"));
    simulation.up(Stop::Never).ok();
    let begun = simulation.world.now().elapsed();
    let done = simulation.bench(Stop::Never).ok();
    // The world goes on for a second after each command.
    let now = simulation.world.now().elapsed();
    let whole_s = now.as_secs_f64() - begun.as_secs_f64() - 1.0;
    let text = std::fs::read_to_string(done.dir.join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    let stages = result["stage_times"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().filter_map(|s| s["stage"].as_str()).collect();
    let all = [
        "nodes",
        "clocks",
        "prepare",
        "workers",
        "endpoints",
        "run",
        "restore",
        "collect",
        "report",
    ];
    assert_eq!(names, all);
    let sum_s: f64 = stages.iter().filter_map(|s| s["seconds"].as_f64()).sum();
    assert!(
        whole_s > 5.0 && (whole_s - sum_s).abs() < 0.05,
        "{sum_s} of {whole_s} s: {stages:?}"
    );
}

#[test]
fn keys_that_are_not_valid_yet_are_told_at_once_with_the_way_out() {
    let mut simulation = Simulation::new(SMALL);
    simulation.up(Stop::Never).ok();
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2100, 1, 1);
    params.not_after = rcgen::date_time_ymd(2101, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let early = params.self_signed(&key).unwrap().pem();
    let secrets = simulation.state_dir().join("secrets");
    std::fs::write(secrets.join("controller.pem"), early).unwrap();
    let begun = simulation.world.now().elapsed();
    for error in [
        simulation.bench(Stop::Never).err(),
        simulation.up(Stop::Never).err(),
    ] {
        assert_eq!(error.exit(), Exit::Preflight);
        let text = chain(&error);
        for part in [
            "not valid before 2100-01-01 00:00",
            "continuum-ctl down sim",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
    let now = simulation.world.now().elapsed();
    assert!(now < begun + Duration::from_secs(5), "{begun:?} {now:?}");
    check_gone(&mut simulation);
}

#[test]
fn links_change_when_the_timeline_says_and_are_as_before_afterwards() {
    let mut simulation = Simulation::new(&format!("{SMALL}{TIMELINE}"));
    simulation.up(Stop::Never).ok();
    let begun = simulation.world.now().elapsed();
    let done = simulation.bench(Stop::Never).ok();
    let events = done.bench.controller_events.iter();
    let texts: Vec<&str> = events.map(|e| &*e.text).collect();
    assert_eq!(
        texts,
        [
            "cut edge endpoint",
            "restore edge endpoint",
            "set edge0 endpoint1 latency_ms=20"
        ]
    );
    let inner = simulation.world.now();
    let calls = inner.calls.iter().filter(|c| c.at >= begun);
    let changes = calls.filter(|c| ["change a link", "emulate links"].contains(&&*c.what));
    let mut times: Vec<u128> = changes.map(|c| c.at.as_millis()).collect();
    drop(inner);
    // Both ends change at once; the last is when the run was over.
    times.dedup_by_key(|at| *at / 500);
    let [cut, restored, set, _] = *times else {
        panic!("{times:?}");
    };
    let seconds = |from: u128, to: u128| (to - from + 50) / 100;
    assert_eq!((seconds(cut, restored), seconds(restored, set)), (10, 10));
    assert_eq!(simulation.wrong_links(), Vec::<String>::new());
}
