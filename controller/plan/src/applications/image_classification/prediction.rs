//! What stages were to take by sizes, links and what computing takes, beside what they took.

mod model;

use super::sender::Sender;
use crate::Hops;
use continuum_model::{
    Clocks, END_TO_END, PhotoTimes, Report, StagePrediction, Way, clock_offset,
    stage::{DECODE, DOWNLINK, GENERATE, INFER, QUEUE, REPLY, UPLINK, reply_ns},
    stages_ns,
};
use continuum_workload_core::{
    header::{Header, Kind, Reply, Score, WorkerStages},
    photo_sample::Sample,
    spec::Role,
};
use model::{Native, Photo, RoundWay, Times};
use std::collections::{BTreeMap, HashMap};

/// Stages in which a node computes.
const COMPUTED: [&str; 4] = [GENERATE, DECODE, INFER, REPLY];
/// The fastest of fewer tells little about what comes before the others.
const LEAST_OF_EACH_PHOTO: usize = 3;
/// Classes in an answer.
const SCORES: usize = 5;

/// The shortest that a node ever took for a stage of a photo, nanoseconds.
#[derive(Debug, Default)]
struct Fastest<'a>(HashMap<(&'static str, &'a str, &'a str), i64>);

/// Where a sender's photos are classified.
fn server<'a>(sender: &Sender<'a>) -> &'a str {
    let run = sender.worker.unwrap_or(sender.run);
    &run.plan.node
}

/// Lengths of the stages in which a node computes, with that node.
fn computed<'a>(sender: &Sender<'a>, sample: &Sample) -> Vec<(&'static str, &'a str, i64)> {
    let stages = stages_ns(sample, sender.way).into_iter();
    let stages = stages.chain([(REPLY, reply_ns(sample, sender.way))]);
    let computed = stages.filter(|(stage, _)| COMPUTED.contains(stage));
    let with_node = computed.map(|(stage, ns)| {
        let node: &'a str = if stage == GENERATE {
            &sender.run.plan.node
        } else {
            server(sender)
        };
        (stage, node, ns)
    });
    with_node.collect()
}

impl<'a> Fastest<'a> {
    fn of(senders: &[Sender<'a>]) -> Self {
        let mut fastest = HashMap::new();
        for sender in senders {
            for sample in sender.classified() {
                for (stage, node, ns) in computed(sender, sample) {
                    let least = fastest.entry((stage, node, &*sample.photo)).or_insert(ns);
                    *least = (*least).min(ns);
                }
            }
        }
        Self(fastest)
    }

    fn ms(&self, stage: &'static str, node: &str, photo: &str) -> f64 {
        let ns = self.0.get(&(stage, node, photo)).copied();
        ns.unwrap_or_default().max(0) as f64 / 1e6
    }

    fn native(&self, sender: &Sender<'_>, sample: &Sample) -> Native {
        let at_server = |stage| self.ms(stage, server(sender), &sample.photo);
        Native {
            generate_ms: self.ms(GENERATE, &sender.run.plan.node, &sample.photo),
            decode_ms: at_server(DECODE),
            infer_ms: at_server(INFER),
            reply_ms: at_server(REPLY),
        }
    }

    /// Whether every endpoint sent its photos so often, in the mean, that one of each can stand for the others.
    fn is_known(&self, senders: &[Sender<'_>]) -> bool {
        let of_endpoints = self.0.keys().filter(|(stage, ..)| *stage == GENERATE);
        let photos: usize = senders.iter().map(|s| s.classified().count()).sum();
        photos >= of_endpoints.count() * LEAST_OF_EACH_PHOTO
    }
}

/// Bytes of an answer to this endpoint.
fn answer_bytes(endpoint: &str) -> u64 {
    let score = Score {
        class: 0,
        probability: 0.0,
    };
    let reply = Reply {
        stages: WorkerStages::default(),
        scores: vec![score; SCORES],
    };
    let header = Header::about(Kind::Reply, endpoint, 0, 0);
    header.encode(&reply.encode()).len() as u64
}

/// There and back; on one node there are no ways.
fn round_way(sender: &Sender<'_>, hops: &Hops) -> Result<RoundWay, &'static str> {
    let endpoint = &sender.run.plan.node;
    let (there, back) = match sender.way {
        Way::Alone => (None, None),
        Way::Function => return Err("nobody plans which replica answers"),
        Way::Worker { .. } => (
            Some(hops.between(endpoint, server(sender))?),
            Some(hops.between(server(sender), endpoint)?),
        ),
    };
    Ok(RoundWay {
        there,
        back,
        answer_bytes: answer_bytes(endpoint),
    })
}

fn classifiers(sender: &Sender<'_>) -> usize {
    let run = sender.worker.unwrap_or(sender.run);
    let classifiers = match &run.plan.spec.role {
        Role::Subscriber(subscriber) => subscriber.classifiers,
        Role::Combined(combined) => combined.classifiers,
        _ => 1,
    };
    classifiers.max(1) as usize
}

/// Sums over photos, by stage.
#[derive(Debug, Default)]
struct Sums {
    photos: u64,
    expected_ms: BTreeMap<&'static str, f64>,
    reply_ms: f64,
}

impl Sums {
    fn add(&mut self, native: Native, times: Times) {
        for (stage, ms) in [
            (GENERATE, native.generate_ms),
            (UPLINK, times.uplink_ms),
            (QUEUE, times.queue_ms),
            (DECODE, native.decode_ms),
            (INFER, native.infer_ms),
            (REPLY, native.reply_ms),
            (DOWNLINK, times.downlink_ms),
        ] {
            *self.expected_ms.entry(stage).or_default() += ms;
            *self.expected_ms.entry(END_TO_END).or_default() += ms;
        }
    }

    /// All photos of one worker, or of an endpoint alone.
    fn add_server(
        &mut self,
        senders: &[&Sender<'_>],
        ways: &[RoundWay],
        fastest: &Fastest<'_>,
        clocks: &Clocks,
    ) {
        let mut photos = Vec::new();
        let mut samples = Vec::new();
        for (way, sender) in senders.iter().enumerate() {
            let clock = clock_offset(clocks, &sender.run.plan.node);
            for sample in sender.classified() {
                let due = clock.to_controller(PhotoTimes::from(sample).due);
                let photo = Photo {
                    due_ms: 0.0,
                    bytes: sample.bytes,
                    way,
                    native: fastest.native(sender, sample),
                };
                photos.push(photo);
                samples.push((*sender, sample, due));
            }
        }
        let first = samples.iter().map(|(.., due)| *due).min();
        for (photo, (.., due)) in photos.iter_mut().zip(&samples) {
            photo.due_ms = due.s_since(first.unwrap_or_default()) * 1000.0;
        }
        let classifiers = senders.first().map_or(1, |sender| classifiers(sender));
        let times = model::times(&photos, ways, classifiers);
        for ((photo, times), (sender, sample, _)) in photos.iter().zip(times).zip(samples) {
            if sender.is_warm_up(sample) {
                continue;
            }
            self.photos += 1;
            self.add(photo.native, times);
            self.reply_ms += reply_ns(sample, sender.way).max(0) as f64 / 1e6;
        }
    }

    fn mean_ms(&self, sum_ms: f64) -> f64 {
        sum_ms / self.photos.max(1) as f64
    }
}

/// What is said of every stage that was measured.
pub(super) fn add(report: &mut Report, senders: &[Sender<'_>], clocks: &Clocks, hops: &Hops) {
    let fastest = Fastest::of(senders);
    let mut servers: BTreeMap<&str, Vec<&Sender<'_>>> = BTreeMap::new();
    for sender in senders {
        servers.entry(server(sender)).or_default().push(sender);
    }
    let mut sums = Sums::default();
    let mut links = Ok(());
    for senders in servers.values() {
        let ways = senders.iter().map(|sender| round_way(sender, hops));
        let ways: Result<Vec<RoundWay>, _> = ways.collect();
        links = links.and(ways.as_ref().map(|_| ()).map_err(|why| *why));
        // Computing is known all the same.
        sums.add_server(senders, &ways.unwrap_or_default(), &fastest, clocks);
    }
    let is_function = senders.iter().any(|sender| sender.way == Way::Function);
    if sums.photos == 0 {
        return;
    }
    let computing = match links {
        Err(why) if is_function => Err(why),
        _ if fastest.is_known(senders) => Ok(()),
        _ => Err("each photo came too rarely"),
    };
    let reply = (!is_function).then(|| (REPLY, sums.mean_ms(sums.reply_ms)));
    let measured = report.stages.iter();
    let measured: BTreeMap<&str, f64> = measured
        .map(|(stage, all)| (stage.as_str(), all.mean_ms))
        .chain(reply)
        .collect();
    let rows = measured.into_iter().map(|(stage, measured_ms)| {
        let (known, basis) = match stage {
            UPLINK | DOWNLINK => (links, "size / rate + latency"),
            QUEUE => (computing.and(links), "arrivals, classifiers"),
            END_TO_END => (computing.and(links), "sum"),
            _ => (computing, "fastest, same photo"),
        };
        let expected = sums.expected_ms.get(stage).copied().unwrap_or_default();
        let expected = known.map(|()| sums.mean_ms(expected));
        StagePrediction::new(stage, expected, measured_ms, basis)
    });
    report.prediction = rows.collect();
}

#[cfg(test)]
mod tests;
