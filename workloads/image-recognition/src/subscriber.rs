//! The worker: takes photos from the broker at once, classifies them in order, answers.

use crate::{
    TOPIC_PHOTOS, TOPIC_REPLIES,
    classifier::ClassifierFactory,
    ledger::Ledger,
    mqtt::{Seen, Session, Tag},
    queue::ByteQueue,
    rounds::{Role, Rounds, TICK},
    sample_file::SampleFile,
    workers::{Classified, Job, Workers, tell_ready},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, EventSink, Summary},
    header::{Header, Kind, Reply},
    ids::IdSet,
    photo_sample::Sample,
    spec::Subscriber,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Photos that one question may be about.
const MOST_ASKED: u64 = 10_000_000;

/// What the worker hears, apart from photos.
enum Heard {
    /// By its own classifiers.
    Classified(Classified<Header>),
    Ask(Header, IdSet),
    End(Header),
    Dropped(Header),
    Bad(String),
    Reconnected,
}

struct Worker<'a> {
    events: &'a EventSink,
    session: &'a Session,
    clock: AnchoredClock,
    ledger: &'a Mutex<Ledger>,
    sample_file: SampleFile,
    summary: Summary,
    bad_messages: u64,
}

pub(crate) async fn run(
    context: &RunContext<'_>,
    spec: &Subscriber,
    factory: &dyn ClassifierFactory,
) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let (heard_tx, heard) = mpsc::unbounded_channel();
    let mut workers = Workers::start(
        context,
        (spec.classifiers, spec.queue_bytes),
        factory,
        clock,
        {
            let heard_tx = heard_tx.clone();
            move |result| drop(heard_tx.send(Heard::Classified(result)))
        },
    )
    .await?;

    let ledger = Arc::new(Mutex::new(Ledger::new(&spec.endpoints, spec.photos)));
    let session = Session::connect(
        &spec.broker,
        &format!("{}-subscriber", context.spec.node),
        Some(TOPIC_PHOTOS.to_owned()),
        &context.stop,
        {
            let (queue, ledger) = (Arc::clone(&workers.queue), Arc::clone(&ledger));
            move |seen| {
                let heard = match seen {
                    Seen::Reconnected => Some(Heard::Reconnected),
                    Seen::Message(message, at) => {
                        take(message, clock.at_unix_ns(at), &queue, &ledger)
                    }
                };
                if let Some(heard) = heard {
                    heard_tx.send(heard).ok();
                }
            }
        },
    )
    .await?;
    let worker = Worker {
        events: &context.events,
        session: &session,
        clock,
        ledger: &ledger,
        sample_file: SampleFile::create(context.out)?,
        summary: Summary::default(),
        bad_messages: 0,
    };
    tell_ready(context, factory);
    let mut rounds = Rounds::new(context, heard, worker);
    let result = work(&mut rounds, &workers.queue, spec.deadline_s).await;
    let Worker {
        mut sample_file,
        mut summary,
        bad_messages,
        ..
    } = rounds.role;
    if result.is_ok() {
        workers.join();
        let goodbye = async {
            tokio::time::timeout(Duration::from_secs(10), session.flush())
                .await
                .ok();
            session.close().await;
        };
        tokio::select! {
            () = goodbye => {}
            () = context.stop.requested() => {}
        }
    }
    summary.reconnects = session.reconnects();
    summary.dropped = workers.queue.dropped();
    summary.bad_inputs += bad_messages;
    let written = sample_file.check();
    context.events.send(&Event::Finished(summary));
    result.and(written)
}

/// Until all endpoints have ended, and everything of theirs is answered.
async fn work(
    rounds: &mut Rounds<'_, Worker<'_>>,
    queue: &ByteQueue<Job<Header>>,
    deadline_s: f64,
) -> Result<(), RunError> {
    let deadline = Instant::now() + Duration::from_secs_f64(deadline_s);
    loop {
        // Answers are small, and there are no more of them than photos that were taken.
        rounds.until(tokio::time::sleep(TICK)).await?;
        let open = lock(rounds.role.ledger).open();
        if open.is_empty() && queue.is_idle() && rounds.is_idle() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(RunError::Deadline {
                what: format!("endpoints to finish ({})", open.join(", ")),
                seconds: deadline_s as u64,
            });
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message from an endpoint. A photo goes to the classifiers at once; what is left is for the worker's loop.
fn take(
    message: &[u8],
    received_unix_ns: i64,
    queue: &ByteQueue<Job<Header>>,
    ledger: &Mutex<Ledger>,
) -> Option<Heard> {
    let (header, body) = match Header::decode(message) {
        Ok(decoded) => decoded,
        Err(error) => return Some(Heard::Bad(error.to_string())),
    };
    match header.kind {
        Kind::Photo => {
            if !lock(ledger).came(&header) {
                return None;
            }
            let job = Job {
                tag: header.clone(),
                jpeg: body.to_vec(),
                received_unix_ns,
            };
            if queue.push(job) {
                return None;
            }
            lock(ledger).dropped(&header);
            Some(Heard::Dropped(header))
        }
        Kind::Ask => Some(match IdSet::decode(body, MOST_ASKED) {
            Some(ids) => Heard::Ask(header, ids),
            None => Heard::Bad("a list of photos that is none".to_owned()),
        }),
        Kind::End => Some(Heard::End(header)),
        Kind::Reply | Kind::Missing | Kind::Dropped | Kind::Hello => None,
    }
}

impl Worker<'_> {
    fn send(&self, endpoint: &str, message: Vec<u8>) {
        let topic = format!("{TOPIC_REPLIES}/{endpoint}");
        self.session.publish(&topic, message, Tag::Reply);
    }

    fn say(&self, header: &Header, body: &[u8]) {
        self.send(&header.endpoint, header.encode(body));
    }

    fn answer(&mut self, result: Classified<Header>) {
        let Classified {
            tag: header,
            mut stages,
            scores,
        } = result;
        stages.replied_unix_ns = self.clock.now_unix_ns();
        let best = scores.first().copied();
        let reply = Header {
            kind: Kind::Reply,
            ..header.clone()
        };
        let message = reply.encode(&Reply { stages, scores }.encode());
        lock(self.ledger).answered(&header, &message);
        self.send(&header.endpoint, message);
        self.summary.sent += 1;
        if best.is_some() {
            self.summary.answered += 1;
        } else {
            self.summary.bad_inputs += 1;
        }
        self.sample_file.add(&Sample {
            endpoint: header.endpoint,
            id: header.id,
            due_ns: header.due_unix_ns,
            sent_ns: header.sent_unix_ns,
            stages,
            class: best.map_or(-1, |s| i32::from(s.class)),
            probability: best.map_or(0.0, |s| s.probability),
            ..Sample::default()
        });
    }
}

impl Role for Worker<'_> {
    type Heard = Heard;

    fn summary(&mut self) -> &mut Summary {
        &mut self.summary
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.summary.sent, None)
    }

    fn tick(&mut self) {
        let resent = self.session.take_resent();
        self.summary.resent += resent.iter().filter(|t| **t == Tag::Reply).count() as u64;
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Classified(result) => self.answer(result),
            Heard::Ask(header, ids) => {
                let Header { endpoint, run, .. } = header;
                let told = lock(self.ledger).asked(&endpoint, run, &ids);
                for answer in told.answers {
                    self.summary.resent += 1;
                    self.send(&endpoint, answer);
                }
                for id in told.dropped {
                    self.say(&Header::about(Kind::Dropped, &endpoint, run, id), &[]);
                }
                let missing = Header::about(Kind::Missing, &endpoint, run, 0);
                self.say(&missing, &told.missing.encode());
            }
            Heard::End(header) => {
                lock(self.ledger).ended(&header.endpoint, header.run);
                self.say(&header, &[]);
            }
            Heard::Dropped(header) => {
                let Header {
                    endpoint, run, id, ..
                } = header;
                self.say(&Header::about(Kind::Dropped, &endpoint, run, id), &[]);
            }
            Heard::Bad(why) => {
                self.bad_messages += 1;
                self.events.send(&Event::BadInput {
                    what: "message".into(),
                    why,
                });
            }
            Heard::Reconnected => {
                for endpoint in lock(self.ledger).open() {
                    self.say(&Header::about(Kind::Hello, &endpoint, 0, 0), &[]);
                }
            }
        }
    }
}
