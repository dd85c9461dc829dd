//! Real machines: guests of provider `uml` as far as can be, and what is about libvirt itself on emulated ones. What this
//! machine cannot run is skipped, with the reason.
//!
//! `cargo test -p continuum-tests --test vm -- uml::kubernetes` runs some of them, alone as well as together.
#![expect(clippy::print_stderr, reason = "reasons for skipping, and figures")]

mod benchmark;
mod cluster;
mod cluster_faults;
mod cluster_long;
mod conformance;
mod containers;
mod demo;
mod fixture;
mod floor;
mod guest_disks;
mod guest_faults;
mod kubecontrol;
mod kubeedge;
mod kubeedge_faults;
mod kubernetes;
mod machine_links;
mod machines;
mod many;
mod openfaas;
mod openfaas_suite;
mod packets;
mod pods;
mod side_by_side;
mod table;
mod user;
mod verify;

use anyhow::Context;
use fixture::Provider;
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use table::{Body, Fixtures, Test};

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
    let fixtures = Arc::new(Fixtures::default());
    let mut skipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut trials = Vec::new();
    for provider in [Provider::Uml, Provider::Qemu] {
        for test in tests() {
            let Some(title) = test.title(provider) else {
                continue;
            };
            let missing = test.missing(provider);
            if let Some(why) = &missing {
                skipped.entry(why.clone()).or_default().push(title.clone());
            }
            let fixtures = Arc::clone(&fixtures);
            let run = move || {
                let done = fixtures.run(&test, provider);
                done.map_err(|e| Failed::from(format!("{e:#}")))
            };
            trials.push(Trial::test(title, run).with_ignored_flag(missing.is_some()));
        }
    }
    if !arguments.list {
        for (why, titles) in &skipped {
            eprintln!("skipped: {why}: {}", titles.join(", "));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before the process ends, so that nothing is left: first the machines, then their networks.
    fixtures.empty();
    drop(Arc::into_inner(fixtures).context("the testbeds")?);
    Ok(conclusion.exit_code())
}

/// All, in the order in which they run: those that share something stand together.
fn tests() -> Vec<Test> {
    let kubernetes_end = Test::new(
        "kubernetes::down_leaves_nothing",
        kubernetes::NEEDS,
        Body::End(&kubernetes::CLUSTER),
    );
    [
        &demo::TESTS[..],
        &machines::TESTS,
        &packets::TESTS,
        &verify::TESTS,
        &guest_faults::TESTS,
        &guest_disks::TESTS,
        &user::TESTS,
        &many::TESTS,
        &side_by_side::TESTS,
        &kubernetes::TESTS,
        &openfaas::ON_THE_CLUSTER,
        &[kubernetes_end],
        &conformance::TESTS,
        &kubeedge::TESTS,
        &openfaas::TESTS,
        &openfaas_suite::TESTS,
        &containers::TESTS,
        &kubecontrol::TESTS,
        &cluster_long::TESTS,
        &benchmark::TESTS,
    ]
    .concat()
}
