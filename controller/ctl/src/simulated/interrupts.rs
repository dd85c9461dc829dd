//! `up`, `bench` and `down` as they are meant to be, interrupted at every call, and killed at every write.

use super::simulation::{End, Simulation, Stop};
use continuum_host::{error::chain, exit::Exit};
use continuum_model::{Validity, VerifyMode};
use std::time::Duration;

pub(super) const SMALL: &str = "name = \"sim\"\n[infrastructure]\nprovider = \"auto\"\n\
    edge = { nodes = 1, cores = 1, memory_mib = 512 }\nendpoint = { nodes = 2, cores = 1, memory_mib = 512 }\n\
    [network]\npreset = \"4g\"\n[software]\nresource_manager = \"mist\"\n[benchmark]\n\
    application = \"image_classification\"\nfrequency = 2\nduration_s = 4\n";

/// A bench that nothing disturbed.
pub(super) fn check_valid(simulation: &mut Simulation) {
    let done = simulation.bench(Stop::Never).ok();
    let report = &done.bench.report;
    let expected = match simulation.verify {
        VerifyMode::Off => Validity::Unverified,
        _ => Validity::Valid,
    };
    assert_eq!((report.validity, &report.invalid), (expected, &Vec::new()));
    assert!(done.written.is_ok() && done.dir.join("result.json").exists());
    assert_eq!(simulation.runs_under_way(), Vec::<String>::new());
}

pub(super) fn check_gone(simulation: &mut Simulation) {
    simulation.down(Stop::Never).ok();
    assert_eq!(simulation.left(), Vec::<String>::new(), "after `down`");
}

#[test]
fn up_bench_and_down_leave_a_result_and_nothing_else() {
    let mut simulation = Simulation::new(SMALL);
    let up = simulation.up(Stop::Never).ok();
    assert!(!up.unchanged && up.plan.nodes.len() == 3);
    assert_eq!(simulation.wrong_links(), Vec::<String>::new());
    assert!(simulation.up(Stop::Never).ok().unchanged);
    check_valid(&mut simulation);
    assert_eq!(simulation.result_files(), 1);
    check_gone(&mut simulation);
    check_gone(&mut simulation);
}

/// What `up` does when nothing stops it.
fn counts_of_up() -> super::simulation::Counts {
    let mut simulation = Simulation::new(SMALL);
    simulation.up(Stop::Never).ok();
    simulation.counts
}

/// Alternately goes on where an `up` stopped, and takes away what is there.
fn check_goes_on(simulation: &mut Simulation, goes_on: bool) {
    if goes_on {
        simulation.up(Stop::Never).ok();
        assert_eq!(simulation.wrong_links(), Vec::<String>::new());
    }
    check_gone(simulation);
}

#[test]
fn what_an_up_made_before_it_was_killed_at_any_write_is_found_again() {
    let writes = counts_of_up().writes;
    assert!(writes > 20, "{writes}");
    for at in 1..=writes {
        for stop in [Stop::KillBeforeWrite(at), Stop::KillAfterWrite(at)] {
            println!("{stop:?} of {writes}");
            let mut simulation = Simulation::new(SMALL);
            assert!(matches!(simulation.up(stop), End::Killed));
            check_goes_on(&mut simulation, at % 2 == 0);
        }
    }
}

#[test]
fn what_belongs_to_a_name_is_found_without_its_state() {
    let calls = counts_of_up().polls;
    for at in (2..calls).step_by(calls as usize / 12) {
        println!("killed at poll {at} of {calls}");
        let mut simulation = Simulation::new(SMALL);
        simulation.up(Stop::KillAtPoll(at));
        std::fs::remove_file(simulation.state_dir().join("state.json")).ok();
        check_gone(&mut simulation);
    }
}

#[test]
fn an_up_whose_disk_is_full_says_what_is_left() {
    let writes = counts_of_up().writes;
    for at in 1..=writes {
        println!("full from write {at} of {writes}");
        let mut simulation = Simulation::new(SMALL);
        let End::Returned(Err(error)) = simulation.up(Stop::FullFromWrite(at)) else {
            panic!("it went on");
        };
        let says_so = error.exit() == Exit::Remains;
        assert!(chain(&error).contains("write"), "{}", chain(&error));
        assert_eq!(
            says_so,
            !simulation.left().is_empty(),
            "{:?}",
            simulation.left()
        );
        check_goes_on(&mut simulation, at % 2 == 0);
    }
}

#[test]
fn an_up_ends_at_whichever_call_it_is_interrupted() {
    let calls = counts_of_up().calls;
    assert!(calls > 20, "{calls}");
    for at in 1..=calls {
        println!("interrupted at call {at} of {calls}");
        let mut simulation = Simulation::new(SMALL);
        match simulation.up(Stop::CancelAtCall(at)) {
            End::Returned(Err(error)) => assert_eq!(error.exit(), Exit::Interrupted),
            other => panic!("{other:?}"),
        }
        let has_state = simulation.deployment().is_some();
        assert_eq!(
            has_state,
            !simulation.left().is_empty(),
            "{:?}",
            simulation.left()
        );
        check_goes_on(&mut simulation, at % 2 == 0);
    }
}

/// A bench that was told to stop: what there is, as no valid result; or nothing.
fn check_interrupted(simulation: &mut Simulation, stop: Stop) {
    println!("{stop:?}");
    let before = simulation.result_files();
    let begun = simulation.world.now().elapsed();
    let ended = match simulation.bench(stop) {
        End::Returned(Ok(done)) => {
            let report = &done.bench.report;
            assert!(done.bench.interrupted, "{:?}", report.invalid);
            // One that was over already is as good as any.
            let is_invalid = report.validity == Validity::Invalid;
            let missing = simulation.missing(begun);
            assert!(is_invalid || missing == 0, "valid without {missing} photos");
            1
        }
        End::Returned(Err(error)) => {
            assert_eq!(error.exit(), Exit::Interrupted, "{}", chain(&error));
            0
        }
        End::Killed => panic!("nobody killed it"),
    };
    assert_eq!(simulation.result_files(), before + ended);
    assert_eq!(simulation.runs_under_way(), Vec::<String>::new());
    assert_eq!(simulation.wrong_links(), Vec::<String>::new());
}

pub(super) const TIMELINE: &str = "timeline = [\"1 cut edge endpoint\", \"2 restore edge endpoint\",      \"3 set edge0 endpoint1 latency_ms=20\"]\n";

#[test]
fn a_bench_ends_wherever_it_is_interrupted() {
    let mut simulation = Simulation::new(&format!("{SMALL}{TIMELINE}"));
    simulation.up(Stop::Never).ok();
    check_valid(&mut simulation);
    let counts = simulation.counts;
    for at in 1..=counts.calls {
        check_interrupted(&mut simulation, Stop::CancelAtCall(at));
    }
    for at in (1..=counts.polls).step_by(9) {
        check_interrupted(&mut simulation, Stop::CancelAtPoll(at));
    }
    check_valid(&mut simulation);
    check_gone(&mut simulation);
}

#[test]
fn runs_of_a_bench_that_was_killed_end_by_themselves_and_up_restores_links() {
    let mut simulation = Simulation::new(&format!("{SMALL}{TIMELINE}"));
    simulation.up(Stop::Never).ok();
    check_valid(&mut simulation);
    let polls = simulation.counts.polls;
    for at in (1..polls).step_by(polls as usize / 15) {
        println!("killed at poll {at} of {polls}");
        let before = simulation.result_files();
        assert!(matches!(
            simulation.bench(Stop::KillAtPoll(at)),
            End::Killed
        ));
        assert_eq!(simulation.result_files(), before);
        simulation.pass(Duration::from_mins(1));
        assert_eq!(simulation.runs_under_way(), Vec::<String>::new());
        simulation.up(Stop::Never).ok();
        assert_eq!(simulation.wrong_links(), Vec::<String>::new());
    }
    check_valid(&mut simulation);
}

#[test]
fn a_down_that_was_killed_is_finished_by_the_next() {
    let mut simulation = Simulation::new(SMALL);
    simulation.up(Stop::Never).ok();
    simulation.down(Stop::Never).ok();
    let counts = simulation.counts;
    let polls = (1..=counts.polls).map(Stop::KillAtPoll);
    let writes = (1..=counts.writes).map(Stop::KillBeforeWrite);
    for stop in polls.chain(writes) {
        println!("{stop:?} of {counts:?}");
        simulation.up(Stop::Never).ok();
        assert!(matches!(simulation.down(stop), End::Killed));
        check_gone(&mut simulation);
    }
}

#[test]
fn links_in_force_are_those_that_were_asked_for() {
    let mut simulation = Simulation::new(SMALL);
    simulation.up(Stop::Never).ok();
    for words in [
        "cut edge endpoint",
        "set edge0 endpoint1 latency_ms=50 rate_mbit=3",
        "restore endpoint edge",
        "cut endpoint0 edge",
        "restore edge0 endpoint1",
    ] {
        simulation.network(words, Stop::Never).ok();
        assert_eq!(
            simulation.wrong_links(),
            Vec::<String>::new(),
            "after {words}"
        );
    }
    // A change that was not finished is known, also one that takes another back.
    let polls = simulation.counts.polls;
    for at in 1..=polls {
        for words in ["cut edge endpoint", "restore edge endpoint"] {
            simulation.network("cut edge endpoint", Stop::Never).ok();
            assert!(
                matches!(simulation.network(words, Stop::KillAtPoll(at)), End::Killed)
                    || at == polls
            );
            simulation.up(Stop::Never).ok();
            assert_eq!(
                simulation.wrong_links(),
                Vec::<String>::new(),
                "{words} {at}"
            );
        }
    }
    check_valid(&mut simulation);
}
