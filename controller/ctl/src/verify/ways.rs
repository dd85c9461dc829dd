//! Round trips, datagrams and bytes between nodes.

use super::{
    cost::Cost,
    pace::{PROBE_BYTES, PROBES, PROBES_OF_A_CUT, Pace, transfer_groups},
    plain,
};
use crate::session::Session;
use continuum_agents::{Agent, OpenPorts, TrainResult, Transferred};
use continuum_host::error::{Error, chain};
use continuum_model::{LinkClass, Measured, Measurements, NodePlan, Quantity, Spread, Subject};
use continuum_plan::verify::Way;
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Ways that are asked for their round trips at the same time.
const TOGETHER: usize = 16;
/// Ports of a node stay open for the longest transfer and what happens before it.
const OPEN_FOR: Duration = Duration::from_mins(2);
/// Between two echo requests where none is answered anyhow.
const CUT_INTERVAL: Duration = Duration::from_millis(50);

/// One direction of a way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction<'a> {
    pub(super) from: &'a NodePlan,
    pub(super) to: &'a NodePlan,
    pub(super) class: &'a LinkClass,
    pub(super) round_trip_ms: f64,
    /// Packets are to be lost, there or back.
    pub(super) is_lossy: bool,
}

impl Direction<'_> {
    pub(super) fn subject(&self) -> Subject {
        Subject::way(&self.from.name, &self.to.name)
    }

    pub(super) fn turned(&self) -> Subject {
        Subject::way(&self.to.name, &self.from.name)
    }

    fn nodes(&self) -> Vec<String> {
        vec![self.from.name.clone(), self.to.name.clone()]
    }
}

/// Both directions of a way that is not cut.
pub(super) fn directions(way: &Way) -> Vec<Direction<'_>> {
    let (Some(there), Some(back)) = (&way.there, &way.back) else {
        return Vec::new();
    };
    let round_trip_ms = there.link.latency_ms + back.link.latency_ms;
    let is_lossy = [there, back]
        .into_iter()
        .any(|class| class.link.loss_percent > 0.0 || class.link.corruption_percent > 0.0);
    let direction = |from, to, class| Direction {
        from,
        to,
        class,
        round_trip_ms,
        is_lossy,
    };
    if way.is_cut() {
        return Vec::new();
    }
    vec![
        direction(&way.from, &way.to, there),
        direction(&way.to, &way.from, back),
    ]
}

/// Round trip, its deviation and loss.
pub(super) async fn round_trips(
    session: &Session,
    ways: &[&Way],
    pace: &Pace,
    found: &mut Measurements,
    cost: &mut Cost,
) {
    for together in ways.chunks(TOGETHER) {
        let probes = together.iter().map(|way| round_trip(session, way, pace));
        for measured in futures_util::future::join_all(probes).await {
            found.extend(measured);
        }
        cost.network_bytes += together.len() as u64 * u64::from(PROBES) * PROBE_BYTES;
    }
}

async fn round_trip(
    session: &Session,
    way: &Way,
    pace: &Pace,
) -> Vec<((Subject, Quantity), Result<Measured, String>)> {
    let subject = Subject::way(&way.from.name, &way.to.name);
    let (count, interval) = if way.is_cut() {
        (PROBES_OF_A_CUT, CUT_INTERVAL)
    } else {
        (PROBES, pace.probe_interval)
    };
    let begun = Instant::now();
    let probed = async {
        let agent = session.agent(&way.from.name)?;
        let address = way.to.address.to_string();
        agent.probe(&address, count, interval).await
    };
    let probed = probed.await.map_err(|error| chain(&error));
    let seconds = begun.elapsed().as_secs_f64();
    let number = |value: Option<f64>, spread: Option<Spread>| match (&probed, value) {
        (Ok(probed), Some(value)) => Ok(Measured {
            value,
            samples: probed.sent,
            seconds,
            spread,
        }),
        (Ok(probed), None) => Err(format!(
            "none of {} echo requests was answered",
            probed.sent
        )),
        (Err(why), _) => Err(why.clone()),
    };
    let times = probed.as_ref().map_or(&[][..], |probed| &probed.rtt_ms);
    let spread = Spread::of(times);
    let lost = probed
        .as_ref()
        .ok()
        .map(|probed| 100.0 * f64::from(probed.lost) / f64::from(probed.sent.max(1)));
    let numbers = [
        (Quantity::RoundTrip, number(spread.map(|s| s.p50), spread)),
        (Quantity::Jitter, number(typical_deviation(times), spread)),
        (Quantity::Loss, number(lost, None)),
    ];
    let with_subject = numbers.map(|(quantity, number)| ((subject.clone(), quantity), number));
    with_subject.into()
}

/// The standard deviation of normal values, by the part in the middle: a host that stood still once is no jitter.
fn typical_deviation(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get((share * (sorted.len().saturating_sub(1)) as f64) as usize);
    Some((at(0.841)? - at(0.159)?) / 2.0)
}

/// Ports of each node that is sent to.
async fn open_ports(
    session: &Session,
    directions: &[Direction<'_>],
    most_bytes: u64,
) -> BTreeMap<String, Result<OpenPorts, String>> {
    let mut nodes: Vec<&str> = directions.iter().map(|d| &*d.to.name).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let opens = nodes.into_iter().map(|node| async move {
        let opened = async { session.agent(node)?.open_ports(OPEN_FOR, most_bytes).await };
        let opened = opened.await.map_err(|error: Error| chain(&error));
        (node.to_owned(), opened)
    });
    let opened = futures_util::future::join_all(opens).await;
    opened.into_iter().collect()
}

fn ports<'a>(
    all: &'a BTreeMap<String, Result<OpenPorts, String>>,
    node: &str,
) -> Result<&'a OpenPorts, String> {
    let found = all.get(node).ok_or("its ports are not open")?;
    found.as_ref().map_err(Clone::clone)
}

/// What came of sending in each direction; those of a group send at the same time.
async fn send_all<'a, T>(
    session: &Session,
    directions: &[Direction<'a>],
    most_bytes: u64,
    rate_mbit: impl Fn(&Direction<'_>) -> f64,
    send: impl for<'b> Fn(
        &'b dyn Agent,
        &'b OpenPorts,
        &Direction<'_>,
    ) -> BoxFuture<'b, Result<T, Error>>,
) -> Vec<(Direction<'a>, Result<T, String>)> {
    let opened = &open_ports(session, directions, most_bytes).await;
    let groups = transfer_groups(directions.iter().copied(), Direction::nodes, rate_mbit);
    let mut all = Vec::new();
    for group in groups {
        let send = &send;
        let sends = group.into_iter().map(|direction| async move {
            let sent = async {
                let ports = ports(opened, &direction.to.name)?;
                let agent = session.agent(&direction.from.name);
                let agent = agent.map_err(|error| chain(&error))?;
                let sent = send(&**agent, ports, &direction).await;
                sent.map_err(|error| chain(&error))
            };
            (direction, sent.await)
        });
        all.extend(futures_util::future::join_all(sends).await);
    }
    all
}

/// Loss and reordering by datagrams. What is lost both ways together replaces what echo requests told.
pub(super) async fn trains(
    session: &Session,
    directions: &[Direction<'_>],
    pace: &Pace,
    found: &mut Measurements,
    cost: &mut Cost,
) {
    let spec = |direction: &Direction<'_>| pace.train(direction.class, direction.round_trip_ms);
    let rate = |direction: &Direction<'_>| direction.class.link.rate_mbit / 10.0;
    let sent = send_all(session, directions, 0, rate, |agent, ports, direction| {
        agent.train(ports, spec(direction))
    });
    let mut results: BTreeMap<Subject, TrainResult> = BTreeMap::new();
    for (direction, sent) in sent.await {
        let number = sent.map(|train| {
            cost.network_bytes += train.bytes;
            results.insert(direction.subject(), train);
            let late = f64::from(train.reordered) / f64::from(train.received.max(1));
            let spec = spec(&direction);
            Measured {
                samples: train.sent,
                ..plain(100.0 * late, (spec.interval * spec.count).as_secs_f64())
            }
        });
        found.insert((direction.subject(), Quantity::Reordering), number);
    }
    for (subject, there) in &results {
        let back = subject
            .to
            .as_ref()
            .map(|to| Subject::way(to, &subject.node));
        let Some(back) = back.and_then(|back| results.get(&back)) else {
            continue;
        };
        let came = |train: &TrainResult| f64::from(train.received) / f64::from(train.sent.max(1));
        let lost = Measured {
            samples: there.sent.min(back.sent),
            ..plain(100.0 * (1.0 - came(there) * came(back)), 0.0)
        };
        let key = (subject.clone(), Quantity::Loss);
        // Asked for by one of the two names of the way.
        if found.contains_key(&key) {
            found.insert(key, Ok(lost));
        }
    }
}

/// Rates.
pub(super) async fn transfers(
    session: &Session,
    directions: &[Direction<'_>],
    pace: &Pace,
    found: &mut Measurements,
    cost: &mut Cost,
) {
    let spec = |direction: &Direction<'_>| pace.transfer(direction.class, direction.round_trip_ms);
    let rate = |direction: &Direction<'_>| direction.class.link.rate_mbit;
    let most_bytes = directions.iter().map(|d| spec(d).most_bytes).max();
    let most_bytes = most_bytes.unwrap_or_default();
    let sent = send_all(
        session,
        directions,
        most_bytes,
        rate,
        |agent, ports, direction| agent.transfer(ports, spec(direction)),
    );
    for (direction, sent) in sent.await {
        cost.network_bytes += sent.as_ref().map_or(0, |sent| sent.received_bytes);
        let number = sent.and_then(|sent| {
            let rate = rate_mbit(&sent).ok_or("too few bytes came to tell a rate by")?;
            Ok(Measured {
                samples: (sent.counted_bytes / u64::from(sent.mtu_bytes.max(1))) as u32,
                ..plain(rate, sent.counted.as_secs_f64())
            })
        });
        found.insert((direction.subject(), Quantity::Rate), number);
    }
}

/// On the wire, as a link's rate is meant: with the headers of Ethernet, IPv4 and TCP with a time stamp.
fn rate_mbit(sent: &Transferred) -> Option<f64> {
    const ETHERNET_BYTES: f64 = 14.0;
    const HEADER_BYTES: f64 = 52.0;
    let mtu = f64::from(sent.mtu_bytes);
    let with_headers = (mtu + ETHERNET_BYTES) / (mtu - HEADER_BYTES).max(1.0);
    let seconds = sent.counted.as_secs_f64();
    let is_enough = sent.counted_bytes > 0 && seconds > 0.0;
    is_enough.then(|| sent.counted_bytes as f64 * with_headers * 8.0 / seconds / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_on_the_wire() {
        let sent = Transferred {
            received_bytes: 2_000_000,
            counted_bytes: 1_448_000,
            counted: Duration::from_secs(1),
            mtu_bytes: 1500,
        };
        let rate = rate_mbit(&sent).unwrap();
        assert!((rate - 12.112).abs() < 1e-6, "{rate}");
        assert_eq!(rate_mbit(&Transferred::default()), None);
    }

    #[test]
    fn one_pause_of_the_host_is_no_jitter() {
        let mut times: Vec<f64> = (0..200).map(|n| 15.0 + f64::from(n % 10) / 10.0).collect();
        let calm = typical_deviation(&times).unwrap();
        times[0] = 400.0;
        let paused = typical_deviation(&times).unwrap();
        assert!((calm - paused).abs() < 0.11, "{calm} {paused}");
        assert_eq!(typical_deviation(&[]), None);
    }
}
