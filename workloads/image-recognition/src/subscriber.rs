//! The worker: takes photos from the broker at once, classifies them in order, answers.

use crate::{
    MAX_MESSAGE_BYTES, TOPIC_PHOTOS, TOPIC_REPLIES,
    classifier::ClassifierFactory,
    endpoint::Ticks,
    ledger::Ledger,
    mqtt::{Seen, Session, Tag},
    photo,
    queue::ByteQueue,
    sample_file::SampleFile,
    workers::{Classified, Job, Workers},
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
    Ask(Header, IdSet),
    End(Header),
    Dropped(Header),
    Bad(String),
    Reconnected,
}

struct Worker<'a> {
    context: &'a RunContext<'a>,
    spec: &'a Subscriber,
    session: &'a Session,
    clock: AnchoredClock,
    queue: &'a ByteQueue<Job<Header>>,
    ledger: &'a Mutex<Ledger>,
    sample_file: SampleFile,
    summary: Summary,
    bad_messages: u64,
    ticks: Ticks,
    last_report: Instant,
}

pub(crate) async fn run(
    context: &RunContext<'_>,
    spec: &Subscriber,
    factory: &dyn ClassifierFactory,
) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let queue = Arc::new(ByteQueue::<Job<Header>>::new(
        spec.queue_bytes.max(MAX_MESSAGE_BYTES as u64),
    ));
    let (result_tx, mut results) = mpsc::unbounded_channel::<Classified<Header>>();
    let starting = Workers::start(
        spec.classifiers,
        factory,
        &queue,
        clock,
        &context.events,
        move |result| {
            result_tx.send(result).ok();
        },
    );
    let workers = tokio::select! {
        workers = starting => workers?,
        () = context.stop.requested() => {
            queue.close();
            return Err(RunError::Stopped);
        }
    };

    let ledger = Arc::new(Mutex::new(Ledger::new(&spec.endpoints, spec.photos)));
    let (heard_tx, mut heard) = mpsc::unbounded_channel();
    let session = Session::connect(
        &spec.broker,
        &format!("{}-subscriber", context.spec.node),
        Some(TOPIC_PHOTOS.to_owned()),
        &context.stop,
        {
            let (queue, ledger) = (Arc::clone(&queue), Arc::clone(&ledger));
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
    let sample_file = SampleFile::create(context.out)?;
    context.events.send(&Event::Ready {
        detail: format!("{}; {}", factory.describe(), photo::CHOICES),
    });
    let mut worker = Worker {
        context,
        spec,
        session: &session,
        clock,
        queue: &queue,
        ledger: &ledger,
        sample_file,
        summary: Summary::default(),
        bad_messages: 0,
        ticks: Ticks::start(),
        last_report: Instant::now(),
    };
    let result = worker.work(&mut results, &mut heard).await;
    queue.close();
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
    let mut summary = worker.summary;
    summary.reconnects = session.reconnects();
    summary.dropped = queue.dropped();
    summary.bad_inputs += worker.bad_messages;
    let written = worker.sample_file.check();
    context.events.send(&Event::Finished(summary));
    result.and(written)
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

fn bad_message(events: &EventSink, why: String) {
    events.send(&Event::BadInput {
        what: "message".into(),
        why,
    });
}

impl Worker<'_> {
    async fn work(
        &mut self,
        results: &mut mpsc::UnboundedReceiver<Classified<Header>>,
        heard: &mut mpsc::UnboundedReceiver<Heard>,
    ) -> Result<(), RunError> {
        let deadline = Instant::now() + Duration::from_secs_f64(self.spec.deadline_s);
        loop {
            // Answers are small, and there are no more of them than photos that were taken.
            tokio::select! {
                () = self.context.stop.requested() => return Err(RunError::Stopped),
                Some(result) = results.recv() => self.answer(result),
                Some(heard) = heard.recv() => self.hear(heard),
                () = tokio::time::sleep_until(self.ticks.next()) => {
                    self.ticks.tick(&mut self.summary);
                    let resent = self.session.take_resent();
                    self.summary.resent += resent.iter().filter(|t| **t == Tag::Reply).count() as u64;
                    if self.last_report.elapsed() >= Duration::from_secs(1) {
                        self.last_report = Instant::now();
                        let done = self.summary.sent;
                        self.context.events.send(&Event::Progress { done, total: None });
                    }
                    let open = lock(self.ledger).open();
                    if open.is_empty() && self.queue.is_idle() && results.is_empty() && heard.is_empty() {
                        return Ok(());
                    }
                    if Instant::now() >= deadline {
                        return Err(RunError::Deadline {
                            what: format!("endpoints to finish ({})", open.join(", ")),
                            seconds: self.spec.deadline_s as u64,
                        });
                    }
                }
            }
        }
    }

    fn say(&self, header: &Header, body: &[u8]) {
        let topic = format!("{TOPIC_REPLIES}/{}", header.endpoint);
        self.session
            .publish(&topic, header.encode(body), Tag::Reply);
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Ask(header, ids) => {
                let Header { endpoint, run, .. } = header;
                let told = lock(self.ledger).asked(&endpoint, run, &ids);
                let topic = format!("{TOPIC_REPLIES}/{endpoint}");
                for answer in told.answers {
                    self.summary.resent += 1;
                    self.session.publish(&topic, answer, Tag::Reply);
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
                bad_message(&self.context.events, why);
            }
            Heard::Reconnected => {
                for endpoint in lock(self.ledger).open() {
                    self.say(&Header::about(Kind::Hello, &endpoint, 0, 0), &[]);
                }
            }
        }
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
        let topic = format!("{TOPIC_REPLIES}/{}", header.endpoint);
        self.session.publish(&topic, message, Tag::Reply);
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
