//! What a page of 200 nodes takes: bytes for those who read it, time and memory of the program.

use super::{
    tests::{Dashboard, FakeSource, start_with},
    *,
};
use continuum_model::{MetricsBatch, MetricsSample, NodeTime};
use std::fmt::Write;
use tokio::io::AsyncReadExt;

const NODES: usize = 200;
/// What a page of 200 nodes is told in a second, at most.
const BYTES_PER_S: usize = 40_000;
/// What it is told when it is opened: ten minutes.
const FIRST_BYTES: usize = 16_000_000;
const SECONDS_MEASURED: u32 = 60;

/// As large as counters of a node become that has run for days.
fn sample(second: i64, node: usize) -> MetricsBatch {
    let large = 1_000_000_000_000 + 7_654_321 * second as u64 + node as u64;
    MetricsBatch {
        samples: vec![MetricsSample {
            time_unix_ns: NodeTime::from_unix_s(1_790_000_000 + second),
            cpu_percent: 12.345_678,
            memory_used_bytes: 345_678_901,
            memory_total_bytes: 2_147_483_648,
            network_received_bytes: large,
            network_sent_bytes: large,
            disk_read_bytes: large,
            disk_written_bytes: large,
            agent_rss_bytes: 12_345_678,
            broker_rss_bytes: 12_345_678,
            workload_rss_bytes: 123_456_789,
            ..MetricsSample::default()
        }],
        ..MetricsBatch::default()
    }
}

fn a_second_passes(feed: &Feed, second: i64) {
    for (number, node) in feed.nodes().values_mut().enumerate() {
        node.take(sample(second, number));
    }
}

async fn dashboard() -> Dashboard {
    start_with(FakeSource::of(NODES), Access::Loopback).await
}

#[tokio::test]
async fn a_page_of_200_nodes_is_told_no_more_than_it_should() {
    let dashboard = dashboard().await;
    let mut reader = Reader::default();
    for second in 0..600 {
        a_second_passes(&dashboard.feed, second);
    }
    let first = reader.update(&dashboard.feed).unwrap().len();
    assert!(first < FIRST_BYTES, "{first} bytes when it is opened");
    a_second_passes(&dashboard.feed, 600);
    let second = reader.update(&dashboard.feed).unwrap().len();
    assert!(second < BYTES_PER_S, "{second} bytes a second");
    println!("{first} bytes when it is opened, {second} bytes a second");
}

/// CPU seconds of this process, and its resident memory in bytes.
fn used() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may have blanks: state is the first word, user and system time the 12th and 13th.
    let words: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: f64 = words[11].parse::<f64>().unwrap() + words[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib: u64 = resident
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    (ticks / 100.0, kib << 10)
}

/// By hand: `cargo test -p continuum-dashboard what_200_nodes_cost -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures for a minute"]
async fn what_200_nodes_cost() {
    let dashboard = dashboard().await;
    for second in 0..600 {
        a_second_passes(&dashboard.feed, second);
    }
    let mut report = String::new();
    for pages in [0, 1] {
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..pages {
            let host = format!("host: {}\r\n", dashboard.address);
            let mut stream = dashboard.open("/events", &host).await;
            readers.spawn(async move {
                let mut buffer = vec![0; 65536];
                while stream
                    .read(&mut buffer)
                    .await
                    .is_ok_and(|length| length > 0)
                {}
            });
        }
        let (before, _) = used();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        for second in 0..SECONDS_MEASURED {
            tick.tick().await;
            let shift = i64::from(pages * SECONDS_MEASURED);
            a_second_passes(&dashboard.feed, 600 + shift + i64::from(second));
        }
        let (after, bytes) = used();
        let share = (after - before) / f64::from(SECONDS_MEASURED) * 100.0;
        let mib = bytes >> 20;
        writeln!(report, "{pages} pages: {share:.2} % of a core, {mib} MiB").unwrap();
        readers.shutdown().await;
    }
    println!("{report}");
}
