//! `up`, `bench` and `down` as they are meant to be, interrupted at every call, and killed at every write.

use super::bed::{Bed, End, Stop};
use continuum_host::error::{Exit, chain};
use continuum_model::Validity;
use std::time::Duration;

pub(super) const SMALL: &str = "name = \"sim\"\n[infrastructure]\nprovider = \"auto\"\n\
    edge = { nodes = 1, cores = 1, memory_mib = 512 }\nendpoint = { nodes = 2, cores = 1, memory_mib = 512 }\n\
    [network]\npreset = \"4g\"\n[software]\nresource_manager = \"mist\"\n[benchmark]\n\
    application = \"image_classification\"\nfrequency = 2\nduration_s = 4\n";

/// A bench that nothing disturbed.
pub(super) fn check_valid(bed: &mut Bed) {
    let done = bed.bench(Stop::Never).ok();
    let report = &done.bench.report;
    assert_eq!(
        (report.validity, &report.invalid),
        (Validity::Unverified, &Vec::new())
    );
    assert!(done.written.is_ok() && done.dir.join("result.json").exists());
    assert_eq!(bed.runs_under_way(), Vec::<String>::new());
}

pub(super) fn check_gone(bed: &mut Bed) {
    bed.down(Stop::Never).ok();
    assert_eq!(bed.left(), Vec::<String>::new(), "after `down`");
}

#[test]
fn up_bench_and_down_leave_a_result_and_nothing_else() {
    let mut bed = Bed::new(SMALL);
    let up = bed.up(Stop::Never).ok();
    assert!(!up.unchanged && up.plan.nodes.len() == 3);
    assert_eq!(bed.wrong_links(), Vec::<String>::new());
    assert!(bed.up(Stop::Never).ok().unchanged);
    check_valid(&mut bed);
    assert_eq!(bed.result_files(), 1);
    check_gone(&mut bed);
    check_gone(&mut bed);
}

/// What `up` does when nothing stops it.
fn counts_of_up() -> super::bed::Counts {
    let mut bed = Bed::new(SMALL);
    bed.up(Stop::Never).ok();
    bed.counts
}

/// Alternately goes on where an `up` stopped, and takes away what is there.
fn check_goes_on(bed: &mut Bed, goes_on: bool) {
    if goes_on {
        bed.up(Stop::Never).ok();
        assert_eq!(bed.wrong_links(), Vec::<String>::new());
    }
    check_gone(bed);
}

#[test]
fn what_an_up_made_before_it_was_killed_at_any_write_is_found_again() {
    let writes = counts_of_up().writes;
    assert!(writes > 20, "{writes}");
    for at in 1..=writes {
        for stop in [Stop::KillBeforeWrite(at), Stop::KillAfterWrite(at)] {
            println!("{stop:?} of {writes}");
            let mut bed = Bed::new(SMALL);
            assert!(matches!(bed.up(stop), End::Killed));
            check_goes_on(&mut bed, at % 2 == 0);
        }
    }
}

#[test]
fn what_belongs_to_a_name_is_found_without_its_state() {
    let calls = counts_of_up().polls;
    for at in (2..calls).step_by(calls as usize / 12) {
        println!("killed at poll {at} of {calls}");
        let mut bed = Bed::new(SMALL);
        bed.up(Stop::KillAtPoll(at));
        std::fs::remove_file(bed.state_dir().join("state.json")).ok();
        check_gone(&mut bed);
    }
}

#[test]
fn an_up_whose_disk_is_full_says_what_is_left() {
    let writes = counts_of_up().writes;
    for at in 1..=writes {
        println!("full from write {at} of {writes}");
        let mut bed = Bed::new(SMALL);
        let End::Returned(Err(error)) = bed.up(Stop::FullFromWrite(at)) else {
            panic!("it went on");
        };
        let says_so = error.exit() == Exit::Remains;
        assert!(chain(&error).contains("write"), "{}", chain(&error));
        assert_eq!(says_so, !bed.left().is_empty(), "{:?}", bed.left());
        check_goes_on(&mut bed, at % 2 == 0);
    }
}

#[test]
fn an_up_ends_at_whichever_call_it_is_interrupted() {
    let calls = counts_of_up().calls;
    assert!(calls > 20, "{calls}");
    for at in 1..=calls {
        println!("interrupted at call {at} of {calls}");
        let mut bed = Bed::new(SMALL);
        match bed.up(Stop::CancelAtCall(at)) {
            End::Returned(Err(error)) => assert_eq!(error.exit(), Exit::Interrupted),
            other => panic!("{other:?}"),
        }
        let has_state = bed.deployment().is_some();
        assert_eq!(has_state, !bed.left().is_empty(), "{:?}", bed.left());
        check_goes_on(&mut bed, at % 2 == 0);
    }
}

/// A bench that was told to stop: what there is, as no valid result; or nothing.
fn check_interrupted(bed: &mut Bed, stop: Stop) {
    println!("{stop:?}");
    let before = bed.result_files();
    let begun = bed.world.now().elapsed();
    let ended = match bed.bench(stop) {
        End::Returned(Ok(done)) => {
            let report = &done.bench.report;
            assert!(done.bench.interrupted, "{:?}", report.invalid);
            // One that was over already is as good as any.
            let is_invalid = report.validity == Validity::Invalid;
            let missing = bed.missing(begun);
            assert!(is_invalid || missing == 0, "valid without {missing} photos");
            1
        }
        End::Returned(Err(error)) => {
            assert_eq!(error.exit(), Exit::Interrupted, "{}", chain(&error));
            0
        }
        End::Killed => panic!("nobody killed it"),
    };
    assert_eq!(bed.result_files(), before + ended);
    assert_eq!(bed.runs_under_way(), Vec::<String>::new());
    assert_eq!(bed.wrong_links(), Vec::<String>::new());
}

pub(super) const TIMELINE: &str = "timeline = [\"1 cut edge endpoint\", \"2 restore edge endpoint\",      \"3 set edge0 endpoint1 latency_ms=20\"]\n";

#[test]
fn a_bench_ends_wherever_it_is_interrupted() {
    let mut bed = Bed::new(&format!("{SMALL}{TIMELINE}"));
    bed.up(Stop::Never).ok();
    check_valid(&mut bed);
    let counts = bed.counts;
    for at in 1..=counts.calls {
        check_interrupted(&mut bed, Stop::CancelAtCall(at));
    }
    for at in (1..=counts.polls).step_by(9) {
        check_interrupted(&mut bed, Stop::CancelAtPoll(at));
    }
    check_valid(&mut bed);
    check_gone(&mut bed);
}

#[test]
fn runs_of_a_bench_that_was_killed_end_by_themselves_and_up_restores_links() {
    let mut bed = Bed::new(&format!("{SMALL}{TIMELINE}"));
    bed.up(Stop::Never).ok();
    check_valid(&mut bed);
    let polls = bed.counts.polls;
    for at in (1..polls).step_by(polls as usize / 15) {
        println!("killed at poll {at} of {polls}");
        let before = bed.result_files();
        assert!(matches!(bed.bench(Stop::KillAtPoll(at)), End::Killed));
        assert_eq!(bed.result_files(), before);
        bed.pass(Duration::from_mins(1));
        assert_eq!(bed.runs_under_way(), Vec::<String>::new());
        bed.up(Stop::Never).ok();
        assert_eq!(bed.wrong_links(), Vec::<String>::new());
    }
    check_valid(&mut bed);
}

#[test]
fn a_down_that_was_killed_is_finished_by_the_next() {
    let mut bed = Bed::new(SMALL);
    bed.up(Stop::Never).ok();
    bed.down(Stop::Never).ok();
    let counts = bed.counts;
    let polls = (1..=counts.polls).map(Stop::KillAtPoll);
    let writes = (1..=counts.writes).map(Stop::KillBeforeWrite);
    for stop in polls.chain(writes) {
        println!("{stop:?} of {counts:?}");
        bed.up(Stop::Never).ok();
        assert!(matches!(bed.down(stop), End::Killed));
        check_gone(&mut bed);
    }
}

#[test]
fn links_in_force_are_those_that_were_asked_for() {
    let mut bed = Bed::new(SMALL);
    bed.up(Stop::Never).ok();
    for words in [
        "cut edge endpoint",
        "set edge0 endpoint1 latency_ms=50 rate_mbit=3",
        "restore endpoint edge",
        "cut endpoint0 edge",
        "restore edge0 endpoint1",
    ] {
        bed.network(words, Stop::Never).ok();
        assert_eq!(bed.wrong_links(), Vec::<String>::new(), "after {words}");
    }
    // A change that was not finished is known, also one that takes another back.
    let polls = bed.counts.polls;
    for at in 1..=polls {
        for words in ["cut edge endpoint", "restore edge endpoint"] {
            bed.network("cut edge endpoint", Stop::Never).ok();
            assert!(matches!(bed.network(words, Stop::KillAtPoll(at)), End::Killed) || at == polls);
            bed.up(Stop::Never).ok();
            assert_eq!(bed.wrong_links(), Vec::<String>::new(), "{words} {at}");
        }
    }
    check_valid(&mut bed);
}
