//! Real virtual machines. Skipped with the reason where this machine cannot run them.
#![expect(clippy::print_stderr, reason = "reasons for skipping, and figures")]

mod bed;
mod benchmark;
mod cluster;
mod cluster_faults;
mod cluster_long;
mod conformance;
mod containers;
mod demo;
mod kubeedge;
mod kubernetes;
mod openfaas;
mod pods;
mod side_by_side;

use bed::Bed;
use continuum_tests::skip;
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

type Case = fn(&Bed) -> anyhow::Result<()>;

/// First argument of this program when it is to count how many MQTT connections are admitted at the same time.
pub(crate) const CONNECT: &str = "--count-connections";

/// Opens connections one after the other, says hello on each, and counts those that are answered.
fn count_connections(address: &str, wanted: usize) -> anyhow::Result<usize> {
    let mut open = Vec::new();
    for number in 0..wanted {
        let socket = format!("{address}:1883").parse()?;
        let Ok(mut stream) = TcpStream::connect_timeout(&socket, Duration::from_secs(3)) else {
            continue;
        };
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // CONNECT, MQTT 3.1.1, clean session, keep-alive 60 s, client id of two characters.
        let hello = [
            0x10,
            14,
            0,
            4,
            b'M',
            b'Q',
            b'T',
            b'T',
            4,
            2,
            0,
            60,
            0,
            2,
            b'c',
            b'0' + number as u8,
        ];
        let mut answer = [0; 4];
        if stream.write_all(&hello).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == [0x20, 2, 0, 0]
        {
            open.push(stream);
        }
    }
    Ok(open.len())
}

#[expect(clippy::print_stdout, reason = "the count is this program's data")]
fn main() -> anyhow::Result<ExitCode> {
    let own: Vec<String> = std::env::args().skip(1).collect();
    if let [first, address, wanted] = own.as_slice()
        && first == CONNECT
    {
        println!("{}", count_connections(address, wanted.parse()?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's two cores.
    arguments.test_threads = Some(1);
    let missing = skip::machines();
    let bed = match &missing {
        Some(why) => {
            eprintln!("skipped: {why}");
            None
        }
        None if arguments.list => None,
        None => match Bed::start() {
            Ok(bed) => Some(Arc::new(bed)),
            Err(error) => {
                eprintln!("the testbed did not start: {error:#}");
                None
            }
        },
    };
    let no_cluster = missing.clone().or_else(skip::cluster);
    let no_kubeedge = no_cluster.clone().or_else(skip::kubeedge);
    if let (None, Some(why)) = (&missing, &no_kubeedge) {
        eprintln!("skipped: kubeedge_on_an_edge: {why}");
    }
    let no_functions = no_cluster.clone().or_else(skip::functions);
    let no_long_cluster = no_cluster.clone().or_else(skip::long);
    if let (None, Some(why)) = (&missing, &no_cluster) {
        eprintln!("skipped: a_kubernetes_cluster: {why}");
    }
    if let (None, Some(why)) = (&missing, &no_long_cluster) {
        eprintln!("skipped: many_small_workers, two_clusters_at_once: {why}");
    }
    let no_conformance = no_functions.clone().or_else(skip::openfaas_programs);
    if let (None, Some(why)) = (&missing, &no_conformance) {
        eprintln!("skipped: conformance_with_openfaas: {why}");
    }
    let no_long_kubeedge = no_kubeedge.clone().or_else(skip::long);
    let no_long_functions = no_functions.clone().or_else(skip::long);
    if let (None, Some(why)) = (&missing, &no_long_functions) {
        eprintln!("skipped: functions_with_the_links_of_an_edge, the_suite_of_functions: {why}");
    }
    if let (None, Some(why)) = (&missing, &no_long_kubeedge) {
        eprintln!("skipped: two_edges_at_once: {why}");
    }
    let no_containers = missing
        .clone()
        .or_else(skip::long)
        .or_else(skip::workload_image);
    if let (None, Some(why)) = (&missing, &no_containers) {
        eprintln!("skipped: containers_without_a_cluster: {why}");
    }
    let no_benchmark = no_cluster.clone().or_else(skip::benchmark);
    let no_edge_benchmark = no_kubeedge.clone().or_else(skip::benchmark);
    let tests: [(&str, Case, &Option<String>); 15] = [
        ("the_demo_twice_in_a_row", demo::demo, &missing),
        ("an_endpoint_alone", demo::endpoint_alone, &missing),
        (
            "two_deployments_side_by_side",
            side_by_side::side_by_side,
            &missing,
        ),
        (
            "an_application_of_the_users_own",
            containers::own_application,
            &missing,
        ),
        (
            "containers_without_a_cluster",
            containers::both_runtimes,
            &no_containers,
        ),
        (
            "benchmark_of_the_software_stage",
            benchmark::software_stage,
            &no_benchmark,
        ),
        (
            "benchmark_of_the_edge_stage",
            benchmark::edge_stage,
            &no_edge_benchmark,
        ),
        ("a_kubernetes_cluster", kubernetes::kubernetes, &no_cluster),
        (
            "conformance_with_openfaas",
            conformance::conformance,
            &no_conformance,
        ),
        ("kubeedge_on_an_edge", kubeedge::kubeedge, &no_kubeedge),
        (
            "functions_with_the_links_of_an_edge",
            openfaas::edge,
            &no_long_functions,
        ),
        (
            "the_suite_of_functions",
            openfaas::suite_as_a_file,
            &no_long_functions,
        ),
        ("two_edges_at_once", kubeedge::many, &no_long_kubeedge),
        (
            "many_small_workers",
            cluster_long::many_small_workers,
            &no_long_cluster,
        ),
        (
            "two_clusters_at_once",
            cluster_long::two_at_once,
            &no_long_cluster,
        ),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, test, why)| {
            let own = bed.clone();
            let run = move || {
                let bed = own.as_ref().ok_or_else(|| Failed::from("no testbed"))?;
                test(bed).map_err(|e| Failed::from(format!("{e:#}")))
            };
            Trial::test(name, run).with_ignored_flag(why.is_some())
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before the process ends, so that nothing is left.
    drop(bed);
    Ok(conclusion.exit_code())
}
