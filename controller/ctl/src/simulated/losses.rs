//! What is lost or wrong during a bench, and what its result says of it; and when the links of a timeline change.

use super::{
    faults::Fault,
    interrupts::{SMALL, TIMELINE, check_gone, check_valid},
    simulation::{Simulation, Stop},
};
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
    simulation.plan(MIDDLE, "endpoint0", Fault::WrongClock(5_000_000_000));
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(
        report.validity,
        Validity::Unverified,
        "{:?}",
        report.invalid
    );
    let notes = report.notes.join("\n");
    assert!(notes.contains("is known to ± 250"), "{notes}");
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
