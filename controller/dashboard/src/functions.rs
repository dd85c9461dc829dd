//! Functions over time: from what a gateway has counted at two moments to rates and times between them.

use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Ten minutes at one look every five seconds.
const POINTS_KEPT: usize = 120;

/// One function at one moment; counts are since its gateway started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FunctionLook {
    pub name: String,
    /// That its gateway wants.
    pub replicas: u64,
    /// That take calls.
    pub available: u64,
    /// Of all replicas, over the kubelet's own last period; `None` = nobody said.
    pub cpu_cores: Option<f64>,
    /// Working set of all replicas.
    pub memory_bytes: Option<u64>,
    pub in_flight: u64,
    /// By status of the answer.
    pub calls: BTreeMap<String, u64>,
    /// Calls that waited for a replica to start.
    pub cold_starts: u64,
    /// That all calls took together.
    pub seconds: f64,
    /// Calls that took so many seconds at most, shortest first; the last has all of them.
    pub buckets: Vec<(f64, u64)>,
}

impl FunctionLook {
    /// More calls that took so many seconds at most.
    pub fn add_bucket(&mut self, most_s: f64, count: u64) {
        match self.buckets.binary_search_by(|(s, _)| s.total_cmp(&most_s)) {
            Ok(at) => {
                if let Some(bucket) = self.buckets.get_mut(at) {
                    bucket.1 += count;
                }
            }
            Err(at) => self.buckets.insert(at, (most_s, count)),
        }
    }
}

/// One function between two looks, and at the second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct FunctionPoint {
    pub(crate) time_unix_ms: i64,
    pub(crate) replicas: u64,
    pub(crate) available: u64,
    pub(crate) cpu_cores: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) in_flight: u64,
    /// By status of the answer.
    pub(crate) calls_per_s: BTreeMap<String, f64>,
    /// Since the gateway started.
    pub(crate) cold_starts: u64,
    /// Of calls that ended between them; `None` = there was none.
    pub(crate) mean_ms: Option<f64>,
    /// As exact as the gateway's buckets are.
    pub(crate) p95_ms: Option<f64>,
}

/// Ten minutes of all functions.
#[derive(Debug, Default)]
pub(crate) struct FunctionHistory {
    last: Option<(i64, BTreeMap<String, FunctionLook>)>,
    points: BTreeMap<String, VecDeque<FunctionPoint>>,
}

impl FunctionHistory {
    pub(crate) fn take(&mut self, at_ms: i64, looks: Vec<FunctionLook>) {
        let (before_ms, before) = self.last.take().unwrap_or_default();
        let seconds = (at_ms - before_ms) as f64 / 1e3;
        let mut now = BTreeMap::new();
        for look in looks {
            let before = before.get(&look.name);
            let points = self.points.entry(look.name.clone()).or_default();
            if points.len() >= POINTS_KEPT {
                points.pop_front();
            }
            points.push_back(point(at_ms, seconds, before, &look));
            now.insert(look.name.clone(), look);
        }
        // One that is gone is shown no more.
        self.points.retain(|name, _| now.contains_key(name));
        self.last = Some((at_ms, now));
    }

    /// What is newer, by function.
    pub(crate) fn since(&self, told_ms: i64) -> BTreeMap<&str, Vec<&FunctionPoint>> {
        let newer = self.points.iter().map(|(name, points)| {
            let newer = points.iter().filter(|p| p.time_unix_ms > told_ms);
            (name.as_str(), newer.collect::<Vec<_>>())
        });
        newer.filter(|(_, points)| !points.is_empty()).collect()
    }

    pub(crate) fn newest_ms(&self) -> i64 {
        self.last.as_ref().map_or(i64::MIN, |(at_ms, _)| *at_ms)
    }
}

fn point(
    at_ms: i64,
    seconds: f64,
    before: Option<&FunctionLook>,
    look: &FunctionLook,
) -> FunctionPoint {
    let mut point = FunctionPoint {
        time_unix_ms: at_ms,
        replicas: look.replicas,
        available: look.available,
        cpu_cores: look.cpu_cores,
        memory_bytes: look.memory_bytes,
        in_flight: look.in_flight,
        cold_starts: look.cold_starts,
        ..FunctionPoint::default()
    };
    let Some(before) = before else { return point };
    let counts = |look: &FunctionLook| look.calls.values().sum::<u64>();
    // A gateway that was started again counts from 0: nothing is known of the time between.
    let Some(ended) = counts(look).checked_sub(counts(before)) else {
        return point;
    };
    for (code, count) in &look.calls {
        let more = count.saturating_sub(before.calls.get(code).copied().unwrap_or(0));
        let rate = (more as f64 / seconds * 100.0).round() / 100.0;
        point.calls_per_s.insert(code.clone(), rate);
    }
    if ended > 0 {
        let ms = (look.seconds - before.seconds) * 1e3 / ended as f64;
        point.mean_ms = Some(ms);
        let older = |most_s: f64| {
            let found = before
                .buckets
                .iter()
                .find(|(s, _)| s.total_cmp(&most_s).is_eq());
            found.map_or(0, |(_, count)| *count)
        };
        let buckets = look.buckets.iter();
        let between = buckets.map(|(most_s, n)| (*most_s, n.saturating_sub(older(*most_s))));
        let between: Vec<(f64, u64)> = between.collect();
        point.p95_ms = quantile(&between, 0.95).map(|s| s * 1e3);
    }
    point
}

/// As Prometheus estimates it: evenly within its bucket; of the last, which has no end, where that begins.
fn quantile(buckets: &[(f64, u64)], share: f64) -> Option<f64> {
    let total = buckets.last()?.1;
    let rank = share * total as f64;
    let (mut least_s, mut below) = (0.0, 0);
    for (most_s, count) in buckets {
        if *count as f64 >= rank && *count > below {
            if most_s.is_infinite() {
                return Some(least_s);
            }
            let part = (rank - below as f64) / (count - below) as f64;
            return Some(least_s + (most_s - least_s) * part);
        }
        (least_s, below) = (*most_s, *count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(good: u64, bad: u64, seconds: f64, fast: u64) -> FunctionLook {
        FunctionLook {
            name: "io".into(),
            replicas: 2,
            available: 1,
            calls: BTreeMap::from([("200".into(), good), ("500".into(), bad)]),
            seconds,
            buckets: vec![(0.1, fast), (0.5, good + bad), (f64::INFINITY, good + bad)],
            ..FunctionLook::default()
        }
    }

    #[test]
    fn rates_and_times_are_of_the_calls_between_two_looks() {
        let mut history = FunctionHistory::default();
        history.take(1000, vec![look(10, 0, 5.0, 0)]);
        history.take(6000, vec![look(30, 5, 10.0, 20)]);
        let points = &history.since(i64::MIN)["io"];
        assert_eq!(points[0].mean_ms, None);
        assert_eq!(points[0].calls_per_s, BTreeMap::new());
        let point = points[1];
        let rates = [("200".to_owned(), 4.0), ("500".to_owned(), 1.0)];
        assert_eq!(point.calls_per_s, BTreeMap::from(rates));
        assert_eq!(point.mean_ms, Some(200.0));
        // The 23.75th of 25 is the 3.75th of the five from 100 to 500 ms.
        assert_eq!(point.p95_ms.map(f64::round), Some(400.0));
        assert_eq!(history.since(1000)["io"].len(), 1);
        assert_eq!(history.newest_ms(), 6000);
    }

    #[test]
    fn a_gateway_that_was_started_again_is_no_negative_rate() {
        let mut history = FunctionHistory::default();
        history.take(1000, vec![look(10, 0, 5.0, 0)]);
        history.take(6000, vec![look(1, 0, 0.1, 1)]);
        let point = history.since(1000)["io"][0];
        assert_eq!((point.mean_ms, point.p95_ms), (None, None));
        assert_eq!(point.calls_per_s, BTreeMap::new());
        history.take(11_000, Vec::new());
        assert_eq!(history.since(i64::MIN).len(), 0);
    }

    #[test]
    fn a_call_that_is_longer_than_all_buckets_is_as_long_as_the_last() {
        assert_eq!(quantile(&[(0.1, 0), (f64::INFINITY, 3)], 0.95), Some(0.1));
        assert_eq!(quantile(&[(0.1, 0), (f64::INFINITY, 0)], 0.95), None);
        assert_eq!(quantile(&[], 0.95), None);
    }
}
