//! What each qdisc and class of a link takes, as the kernel reads it (`linux/pkt_sched.h`).

use super::attributes::{Attributes, probability, rate_spec, ticks, words};
use crate::network::link::LinkClass;
use rtnetlink::packet_core::NLA_F_NESTED;

/// Kind and options of something.
pub(super) type Described = (&'static str, Vec<u8>);

/// Faster than any link: it keeps packets in order, or makes them wait for nothing.
const UNLIMITED_BYTES_S: u64 = 4_000_000_000;
/// Bytes of a class before another one has its turn.
const QUANTUM_BYTES: u32 = 15_140;

/// What is in no class is sent at once.
pub(super) fn root() -> Described {
    const INIT: u16 = 2;
    const VERSION: u32 = 3;
    let options = Attributes::default().with(INIT, words(&[VERSION, 10, 0, 0, 0]));
    ("htb", options.bytes())
}

pub(super) fn rate(class: &LinkClass) -> Described {
    const PARAMETERS: u16 = 1;
    const RATE_64: u16 = 6;
    const CEIL_64: u16 = 7;
    let bytes_s = class.rate_bytes_s();
    let burst = ticks(class.burst_bytes() as f64 / bytes_s as f64);
    let spec = rate_spec(bytes_s);
    let parameters = [&spec[..], &spec, &[burst, burst, QUANTUM_BYTES, 0, 0]].concat();
    let options = Attributes::default()
        .with(PARAMETERS, words(&parameters))
        .with(RATE_64, bytes_s.to_ne_bytes().to_vec())
        .with(CEIL_64, bytes_s.to_ne_bytes().to_vec());
    ("htb", options.bytes())
}

/// Takes bundles of segments apart: a token bucket does that with what is larger than its bucket, whatever made the bundle,
/// a program here or one in a pod. Its rate holds nothing up.
pub(super) fn segments(class: &LinkClass, mtu_bytes: u32) -> Described {
    const PARAMETERS: u16 = 1;
    const BURST: u16 = 6;
    let none = [0; 3];
    let parameters = [&rate_spec(UNLIMITED_BYTES_S)[..], &none, &[0, 0, 0]].concat();
    let options = Attributes::default()
        .with(PARAMETERS, words(&parameters))
        .with(BURST, words(&[class.largest_bytes(mtu_bytes)]));
    ("tbf", options.bytes())
}

/// Delay, losses and the queue. All is written, also what is not there: a change leaves what it does not name. The table of
/// delays is left out where it is known to be there.
pub(super) fn impairments(class: &LinkClass, has_table: bool) -> Described {
    const CORRELATION: u16 = 1;
    const DISTRIBUTION: u16 = 2;
    const REORDER: u16 = 3;
    const CORRUPT: u16 = 4;
    const LOSS: u16 = 5;
    const GILBERT_ELLIOTT: u16 = 2;
    const RATE: u16 = 6;
    const LATENCY_64: u16 = 10;
    const JITTER_64: u16 = 11;
    let share = |percent: f64| probability(percent / 100.0);
    let nanoseconds = |ms: f64| ((ms * 1e6).round() as i64).to_ne_bytes().to_vec();
    // Every so many packets, one has the chance to go first.
    let gap = u32::from(class.reordering_percent > 0.0);
    let has_chain = class.loss_correlation_percent > 0.0;
    let loss = if has_chain { 0.0 } else { class.loss_percent };
    let limit = class.queue_limit_packets();
    let duplicated = share(class.duplication_percent);
    let structure = words(&[0, limit, share(loss), gap, duplicated, 0]);
    // netem sends none before the one ahead of it where it has a rate.
    let order = if class.jitter_reorders {
        0
    } else {
        UNLIMITED_BYTES_S as u32
    };
    let mut options = Attributes::behind(structure)
        .with(CORRELATION, words(&[0, 0, 0]))
        .with(REORDER, words(&[share(class.reordering_percent), 0]))
        .with(CORRUPT, words(&[share(class.corruption_percent), 0]))
        .with(RATE, words(&[order, 0, 0, 0]))
        .with(LATENCY_64, nanoseconds(class.delay_ms()))
        .with(JITTER_64, nanoseconds(class.jitter_ms));
    if !has_table {
        let table = class.jitter_distribution.table();
        let table = table.iter().flat_map(|value| value.to_ne_bytes());
        options = options.with(DISTRIBUTION, table.collect());
    }
    if has_chain {
        let (begins, ends) = class.loss_chain();
        // While it loses, nothing gets through; else everything does.
        let chain = words(&[probability(begins), probability(ends), 0, 0]);
        let chain = Attributes::default().with(GILBERT_ELLIOTT, chain);
        options = options.with(LOSS | NLA_F_NESTED, chain.bytes());
    }
    ("netem", options.bytes())
}
