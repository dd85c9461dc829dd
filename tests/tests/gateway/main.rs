//! The gateway for functions against a real API server and a real etcd, started here from the store. There is no kubelet:
//! pods and their readiness are made by the tests, and functions are servers in this process, on loopback addresses of
//! their own. Skipped where Kubernetes was not built.
#![expect(clippy::print_stderr, reason = "reasons for skipping, and figures")]

mod api;
mod calls;
mod cluster;
mod dashboards;
mod fixture;
mod function;
mod kubeedge;
mod limits;
mod namespaces;
mod queue;
mod scaling;
mod secrets;
mod speed;
mod types;
mod usage;
mod websocket;

use continuum_tests::skip;
use fixture::Fixture;
use libtest_mimic::{Arguments, Failed, Trial};

type Case = fn(&Fixture) -> anyhow::Result<()>;

const CASES: &[(&str, Case)] = &[
    ("health_and_info_and_what_is_not_there", api::basics),
    ("functions_come_change_and_go", api::functions),
    ("bad_functions_are_refused_by_name", api::bad_functions),
    ("secrets_are_kept_and_never_told", secrets::kept),
    ("namespaces_of_functions", namespaces::made),
    ("logs_are_asked_for_rightly", api::logs),
    ("manifests_of_both_distributions_are_taken", api::manifests),
    ("rights_and_jobs_of_kubeedge_are_taken", kubeedge::taken),
    ("calls_go_through_whole", calls::through),
    ("a_websocket_goes_through_both_ways", websocket::through),
    ("calls_that_cannot_be_made_say_why", calls::faults),
    ("a_replica_that_is_gone_costs_no_call", calls::gone_replica),
    ("an_update_loses_no_call", calls::update),
    ("a_gateway_that_comes_back_knows_first", calls::restart),
    (
        "a_function_without_replicas_is_given_one",
        scaling::from_zero,
    ),
    ("replicas_follow_the_load_and_go_when_idle", scaling::follow),
    ("functions_say_what_they_have_and_use", usage::told),
    ("dashboards_of_functions_have_data", dashboards::data),
    ("queued_calls_are_made_again_and_told_on", queue::made),
    ("a_callback_that_is_not_taken_is_told", queue::not_taken),
    ("queued_calls_survive_a_restart", queue::restart),
    ("an_end_finishes_the_queued_call_that_runs", queue::end),
    ("bodies_and_callers_have_limits", limits::bodies),
    ("five_thousand_connections_do_no_harm", limits::connections),
];

/// Needs Go, too.
const TYPES: (&str, Case) = ("answers_are_those_that_openfaas_publishes", types::decode);

/// Measurements: only where they are asked for.
const MEASUREMENTS: &[(&str, Case)] = &[
    ("speed_of_the_gateway", speed::gateway),
    ("speed_of_the_watchdog", speed::watchdog),
];

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let missing = skip::gateway();
    if let Some(why) = &missing {
        eprintln!("skipped: all tests of the gateway: {why}");
    }
    let no_go = missing.clone().or_else(skip::go);
    if let (None, Some(why)) = (&missing, &no_go) {
        eprintln!("skipped: {}: {why}", TYPES.0);
    }
    let no_measurement = missing.clone().or_else(skip::benchmark);
    let usual = CASES.iter().map(|case| (case, missing.is_some()));
    let measured = MEASUREMENTS
        .iter()
        .map(|case| (case, no_measurement.is_some()));
    let all = usual.chain([(&TYPES, no_go.is_some())]).chain(measured);
    let trials = all.map(|((name, case), is_ignored)| {
        let run = move || {
            let fixture = Fixture::shared().map_err(|e| Failed::from(format!("{e:#}")))?;
            case(fixture).map_err(|e| Failed::from(format!("{e:#}\n{}", fixture.gateway_log())))
        };
        Trial::test(*name, run).with_ignored_flag(is_ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    Fixture::end();
    conclusion.exit_code()
}
