//! Runs on this machine with the real workload bundle: provider `local`, real network, real photos.
//! Skipped where no bundle was built.
#![expect(clippy::print_stderr, reason = "reasons for skipping, and figures")]

mod artifacts;
mod faults;
mod fixture;
mod function;
mod golden;
mod runs;
mod series;

use continuum_tests::{process::start_time, skip};
use libtest_mimic::{Arguments, Failed, Trial};

type Case = fn() -> anyhow::Result<()>;

fn main() {
    // Nobody else's agents are to be mistaken for ours.
    assert!(start_time(std::process::id()).is_some());
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's cores.
    arguments.test_threads = Some(1);
    let (missing, long) = (skip::bundle(), skip::long());
    let no_root = (!rustix::process::geteuid().is_root()).then(|| "it needs root".to_owned());
    let trial = |name: &'static str, case: Case, why: Option<&String>| {
        if let Some(why) = why {
            eprintln!("skipped: {name}: {why}");
        }
        let run = move || case().map_err(|e| Failed::from(format!("{e:#}")));
        Trial::test(name, run).with_ignored_flag(why.is_some())
    };
    let usual = missing.as_ref();
    let trials = vec![
        trial("a_local_run_is_complete_and_right", runs::local_run, usual),
        trial(
            "a_function_says_what_is_on_a_photo",
            function::image_function,
            usual,
        ),
        trial("an_empty_run_is_timed", runs::empty_run, usual),
        trial(
            "files_fields_and_columns_of_a_result_are_as_written_down",
            golden::shape_of_a_result,
            usual,
        ),
        trial("repeated_runs_have_a_summary", series::repeated_runs, usual),
        trial("a_sweep_goes_on_where_it_was", series::sweep, usual),
        trial("the_highest_rate_is_searched", series::rate, usual),
        trial("a_result_is_carried_and_run_again", series::archive, usual),
        trial("agents_are_debugged_over_grpc", runs::debugging, usual),
        trial(
            "what_is_not_there_yet_is_refused_by_name",
            runs::refused_by_name,
            usual,
        ),
        trial(
            "a_lost_node_ends_the_run_and_is_named",
            faults::lost_node,
            usual,
        ),
        trial(
            "an_interrupted_run_keeps_what_there_is",
            faults::interrupted_bench,
            usual,
        ),
        trial(
            "a_killed_run_does_not_disturb_the_next",
            faults::killed_bench,
            usual,
        ),
        trial(
            "a_killed_broker_loses_nothing",
            faults::killed_broker,
            usual,
        ),
        trial(
            "files_that_are_no_photos_are_no_result_and_named",
            faults::no_photos,
            usual,
        ),
        trial(
            "an_agent_that_stands_still_loses_nothing",
            faults::stalled_agent,
            usual,
        ),
        trial(
            "results_that_cannot_be_written_are_refused_first",
            faults::unwritable_results,
            usual,
        ),
        trial(
            "results_on_a_full_disk_are_shown",
            faults::full_results,
            usual.or(no_root.as_ref()),
        ),
        trial(
            "own_photos_are_used_and_never_mixed",
            runs::own_photos,
            usual,
        ),
        trial(
            "the_bundle_loads_only_its_own_libraries",
            artifacts::own_libraries,
            usual,
        ),
        trial(
            "an_image_built_again_is_the_same",
            artifacts::same_image_again,
            usual.or(no_root.as_ref()),
        ),
        trial(
            "metrics_of_a_long_run_are_complete",
            runs::metrics_of_a_long_run,
            usual.or(long.as_ref()),
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
