//! From samples of endpoints to points over time. Pure.

use continuum_dashboard::{Application, ApplicationPoint};
use continuum_model::{
    ClockOffset, ControllerTime, END_TO_END, PhotoTimes, Way, is_classified, stages_ns,
};
use continuum_workload_core::{
    photo_sample::Sample,
    stats::{LEAST_FOR_P95, LEAST_FOR_P99, quantile},
};
use std::collections::{BTreeMap, BTreeSet};

const SECOND_NS: i64 = 1_000_000_000;
/// As much as pages show of nodes.
const KEPT_S: i64 = 600;
/// A plot is not wider.
const MOST_POINTS: i64 = 120;
/// A median is of this time; half a second alone would be noise.
const MEDIAN_S: i64 = 10;

/// What one endpoint had written.
#[derive(Debug)]
pub(super) struct EndpointSamples<'a> {
    pub(super) samples: &'a [Sample],
    /// When it was read.
    pub(super) at: ControllerTime,
    pub(super) clock: ClockOffset,
    pub(super) way: Way,
}

/// A photo that was classified.
struct Answer {
    at_ns: i64,
    latency_ms: f64,
    stages_ms: Vec<(&'static str, f64)>,
}

/// When what happened, in order, by the controller's clock.
#[derive(Default)]
struct Moments {
    sent: Vec<i64>,
    answered: Vec<i64>,
    classified: Vec<Answer>,
}

/// Of all endpoints together; the points end where the oldest look ends.
pub(super) fn application(
    endpoints: &[EndpointSamples<'_>],
    now: ControllerTime,
    has_ended: bool,
) -> Application {
    let moments = moments(endpoints);
    let stages = moments.classified.iter().flat_map(|a| &a.stages_ms);
    let stages: BTreeSet<&'static str> = stages.map(|(stage, _)| *stage).collect();
    let stages: Vec<&'static str> = stages.into_iter().collect();
    let samples = || endpoints.iter().flat_map(|e| e.samples);
    let count = |is_so: fn(&Sample) -> bool| samples().filter(|s| is_so(s)).count() as u64;
    let errors = endpoints.iter().map(|endpoint| match endpoint.way {
        Way::Worker { worker, endpoint } => ms(worker.error_ns + endpoint.error_ns),
        Way::Alone | Way::Function => 0.0,
    });
    let (step_s, points) = points(&moments, &stages, endpoints, now, has_ended);
    Application {
        step_s: u32::try_from(step_s).unwrap_or(1),
        points,
        stages,
        sent: samples().count() as u64,
        answered: count(Sample::is_answered),
        lost: has_ended.then(|| count(|sample| !sample.is_answered())),
        clock_error_ms: errors.fold(0.0, f64::max),
        trouble: Vec::new(),
    }
}

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

fn moments(endpoints: &[EndpointSamples<'_>]) -> Moments {
    let mut moments = Moments::default();
    for endpoint in endpoints {
        let ours = |at| endpoint.clock.to_controller(at).unix_ns();
        for sample in endpoint.samples {
            let at = PhotoTimes::from(sample);
            moments.sent.push(ours(at.sent));
            if sample.is_answered() {
                moments.answered.push(ours(at.answered));
            }
            if !is_classified(sample) {
                continue;
            }
            let stages = stages_ns(sample, endpoint.way).into_iter();
            let stages = stages.filter(|(stage, _)| *stage != END_TO_END);
            moments.classified.push(Answer {
                at_ns: ours(at.answered),
                latency_ms: ms(at.answered.ns_since(at.due)),
                stages_ms: stages.map(|(stage, ns)| (stage, ms(ns))).collect(),
            });
        }
    }
    moments.sent.sort_unstable();
    moments.answered.sort_unstable();
    moments
        .classified
        .sort_unstable_by_key(|answer| answer.at_ns);
    moments
}

/// Seconds between them, and they.
fn points(
    moments: &Moments,
    stages: &[&'static str],
    endpoints: &[EndpointSamples<'_>],
    now: ControllerTime,
    has_ended: bool,
) -> (i64, Vec<ApplicationPoint>) {
    let known = endpoints.iter().map(|endpoint| endpoint.at.unix_ns()).min();
    let (Some(first), Some(known)) = (moments.sent.first(), known) else {
        return (1, Vec::new());
    };
    let last = moments.sent.iter().chain(&moments.answered).max();
    // A run that is over goes on with nothing.
    let end_ns = match last {
        Some(last) if has_ended => known.min(last + SECOND_NS),
        _ => known,
    };
    let from_ns = (*first).max(now.unix_ns() - KEPT_S * SECOND_NS);
    let step_s = ((end_ns - from_ns) / SECOND_NS / MOST_POINTS + 1).clamp(1, KEPT_S);
    let step_ns = step_s * SECOND_NS;
    // At whole steps, so that points stay where they are when more come.
    let begin = from_ns.div_euclid(step_ns) + 1;
    let points = (begin..=end_ns.div_euclid(step_ns)).map(|number| {
        let at_ns = number * step_ns;
        point(moments, stages, at_ns, step_ns)
    });
    (step_s, points.collect())
}

fn point(moments: &Moments, stages: &[&'static str], at_ns: i64, step_ns: i64) -> ApplicationPoint {
    let until = |times: &[i64], at_ns| times.partition_point(|time| *time <= at_ns);
    let rate = |times: &[i64]| {
        let count = until(times, at_ns) - until(times, at_ns - step_ns);
        round(count as f64 * SECOND_NS as f64 / step_ns as f64)
    };
    let all = &moments.classified;
    let answers = |at_ns| all.partition_point(|answer| answer.at_ns <= at_ns);
    let end = answers(at_ns);
    let of_median = end - answers(at_ns - step_ns.max(MEDIAN_S * SECOND_NS));
    let of_step = &all[answers(at_ns - step_ns)..end];
    // Of the last so many; of none where nothing was answered lately.
    let percentile = |share, count: usize| {
        let last = all[..end].get(end.checked_sub(count)?..)?;
        let mut sorted: Vec<f64> = last.iter().map(|answer| answer.latency_ms).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        quantile(&sorted, share)
            .filter(|_| of_median > 0)
            .map(round)
    };
    ApplicationPoint {
        time_unix_ms: at_ns / 1_000_000,
        sent_per_s: rate(&moments.sent),
        answered_per_s: rate(&moments.answered),
        waiting: until(&moments.sent, at_ns).saturating_sub(until(&moments.answered, at_ns)) as u64,
        p50_ms: percentile(0.50, of_median),
        p95_ms: percentile(0.95, LEAST_FOR_P95 as usize),
        p99_ms: percentile(0.99, LEAST_FOR_P99 as usize),
        stages_ms: means(stages, of_step),
    }
}

fn means(stages: &[&'static str], answers: &[Answer]) -> Vec<Option<f32>> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (stage, ms) in answers.iter().flat_map(|answer| &answer.stages_ms) {
        *sums.entry(stage).or_default() += ms;
    }
    let count = answers.len() as f64;
    let mean = |stage: &str| Some(round(sums.get(stage)? / count));
    stages.iter().map(|stage| mean(stage)).collect()
}

/// To a hundredth: nobody sees more.
fn round(value: f64) -> f32 {
    continuum_workload_core::stats::round_to(value, 2) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const BEGUN_S: i64 = 1000;

    fn time(seconds: i64) -> ControllerTime {
        ControllerTime::from_unix_s(BEGUN_S + seconds)
    }

    /// One photo a second, sent 2 ms after it was due and answered 98 ms later; the endpoint's clock is 5 s ahead.
    fn samples(answered: std::ops::Range<i64>, sent: i64) -> Vec<Sample> {
        let sample = |id: i64| {
            let due_ns = (BEGUN_S + id + 5) * SECOND_NS + 300 * MS;
            let is_answered = answered.contains(&id);
            Sample {
                id: id as u64,
                due_ns,
                sent_ns: due_ns + 2 * MS,
                answered_ns: if is_answered { due_ns + 100 * MS } else { 0 },
                class: if is_answered { 1 } else { -1 },
                ..Sample::default()
            }
        };
        (0..sent).map(sample).collect()
    }

    fn seen(samples: &[Sample], at_s: i64, has_ended: bool) -> Application {
        let endpoint = EndpointSamples {
            samples,
            at: time(at_s),
            clock: ClockOffset {
                offset_ns: 5 * SECOND_NS,
                error_ns: 0,
            },
            way: Way::Alone,
        };
        application(&[endpoint], time(at_s), has_ended)
    }

    #[test]
    fn what_is_not_answered_waits_and_has_no_latency() {
        let seen = seen(&samples(0..20, 40), 40, false);
        assert_eq!((seen.sent, seen.answered, seen.lost), (40, 20, None));
        assert_eq!((seen.step_s, seen.points.len()), (1, 40));
        let at = |second: usize| &seen.points[second - 1];
        assert_eq!(at(15).time_unix_ms, (BEGUN_S + 15) * 1000);
        assert_eq!((at(15).waiting, at(15).p50_ms), (0, Some(100.0)));
        assert_eq!((at(15).sent_per_s, at(15).answered_per_s), (1.0, 1.0));
        assert_eq!((at(40).waiting, at(40).p50_ms), (20, None));
        // Too few for these.
        assert_eq!((at(15).p95_ms, at(15).p99_ms), (None, None));
    }

    #[test]
    fn high_percentiles_are_of_as_many_answers_as_they_take() {
        let seen = seen(&samples(0..300, 300), 300, false);
        assert_eq!(seen.step_s, 3);
        let with_p95 = seen.points.iter().find(|point| point.p95_ms.is_some());
        let since_s = with_p95.unwrap().time_unix_ms / 1000 - BEGUN_S;
        assert!((200..=203).contains(&since_s), "{since_s}");
        assert!(seen.points.iter().all(|point| point.p99_ms.is_none()));
    }

    #[test]
    fn points_stay_where_they_are_and_end_with_the_run() {
        let all = samples(0..30, 31);
        let (early, late) = (seen(&all, 31, false), seen(&all, 33, false));
        assert_eq!(early.points[..], late.points[..early.points.len()]);
        let over = seen(&all, 300, true);
        assert_eq!(over.lost, Some(1));
        assert_eq!(over.points.len(), 31);
        assert_eq!(seen(&all, 2000, true).points, []);
        assert_eq!(seen(&[], 10, false).points, []);
    }

    #[test]
    fn the_time_is_split_by_two_clocks_where_there_are_two() {
        let clock = |offset_ns, error_ns| ClockOffset {
            offset_ns,
            error_ns,
        };
        let (worker, own) = (clock(7 * SECOND_NS, MS), clock(5 * SECOND_NS, 2 * MS));
        let mut samples = samples(0..1, 1);
        let sent_ns = samples[0].sent_ns;
        let at = |ms: i64| sent_ns + 2 * SECOND_NS + ms * MS;
        let stages = &mut samples[0].stages;
        stages.received_unix_ns = at(20);
        stages.dequeued_unix_ns = at(30);
        stages.decoded_unix_ns = at(35);
        stages.classified_unix_ns = at(75);
        stages.replied_unix_ns = at(75);
        let endpoint = EndpointSamples {
            samples: &samples,
            at: time(3),
            clock: own,
            way: Way::Worker {
                worker,
                endpoint: own,
            },
        };
        let seen = application(&[endpoint], time(3), false);
        let split: Vec<(&str, Option<f32>)> = seen
            .stages
            .iter()
            .copied()
            .zip(seen.points[0].stages_ms.iter().copied())
            .collect();
        let expected = [
            ("1_generate", Some(2.0)),
            ("2_uplink", Some(20.0)),
            ("3_queue", Some(10.0)),
            ("4_decode", Some(5.0)),
            ("5_infer", Some(40.0)),
            ("6_downlink", Some(23.0)),
        ];
        assert_eq!(split, expected);
        assert!((seen.clock_error_ms - 3.0).abs() < 1e-9);
    }
}
