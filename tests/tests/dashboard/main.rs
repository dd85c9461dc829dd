//! The dashboard of real agents in a real browser. Skipped where there is none.
#![expect(clippy::print_stderr, reason = "reasons for skipping")]

mod page;
mod panels;

use continuum_tests::skip;
use libtest_mimic::{Arguments, Failed, Trial};

type Case = fn() -> anyhow::Result<()>;

fn main() {
    let mut arguments = Arguments::from_args();
    // One at a time: browsers are no small programs.
    arguments.test_threads = Some(1);
    let missing = skip::chromium();
    let no_photos = missing.clone().or_else(skip::bundle);
    let trial_unless = |missing: &Option<String>, name: &'static str, case: Case| {
        if let Some(why) = missing {
            eprintln!("skipped: {name}: {why}");
        }
        let run = move || case().map_err(|e| Failed::from(format!("{e:#}")));
        Trial::test(name, run).with_ignored_flag(missing.is_some())
    };
    let trial = |name, case| trial_unless(&missing, name, case);
    let trials = vec![
        trial(
            "every_node_and_every_plot_has_what_its_agent_measured",
            page::figures,
        ),
        trial("a_silent_agent_is_grey_and_comes_back", page::silent_agent),
        trial("a_run_is_shown_from_its_begin_to_its_end", page::run),
        trial(
            "a_bench_shows_its_own_page_until_it_ends",
            page::beside_a_bench,
        ),
        trial(
            "the_page_survives_the_end_of_its_server",
            page::server_started_again,
        ),
        trial(
            "links_are_shown_as_asked_and_as_measured_and_a_cut_one_is_red",
            panels::links,
        ),
        trial(
            "functions_and_cluster_are_shown_where_there_are_any",
            panels::functions_and_cluster,
        ),
        trial_unless(
            &no_photos,
            "latency_is_shown_while_photos_are_sent",
            panels::photos,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
