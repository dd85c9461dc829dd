//! What an endpoint knows of its photos: which are under way, which it has to send again, which it has given up.
//!
//! An answer is the only proof that a photo arrived: brokers acknowledge what they lose when they die, or when their
//! memory is full. So an endpoint that hears nothing for a while, or whose connection or whose worker's connection broke,
//! asks the worker for what has no answer. The worker says again what it has said, and names what it never got, which is
//! read from its file and sent again under the same number.

use crate::{
    MAX_MESSAGE_BYTES, TOPIC_PHOTOS,
    dataset::Dataset,
    mqtt::{Session, Tag},
    sample_file::SampleFile,
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, Summary},
    header::{Header, Kind, Reply},
    ids::IdSet,
    photo_sample::{Loss, Sample},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// So long without a word of the worker until it is asked, and then twice as long each time.
const FIRST_ASK: Duration = Duration::from_secs(3);
const LONGEST_ASK: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(200);
/// A tick that comes so much too late is time in which the whole process stood still.
const STALL: Duration = Duration::from_secs(1);

/// What the endpoint hears.
pub(crate) enum Heard {
    Answer {
        id: u64,
        reply: Reply,
        at_unix_ns: i64,
    },
    Missing(IdSet),
    Dropped(u64),
    Hello,
    End,
    Reconnected,
}

impl Heard {
    /// From a message on the endpoint's topic.
    pub(crate) fn decode(message: &[u8], run: u64, at_unix_ns: i64) -> Result<Self, String> {
        let (header, body) = Header::decode(message).map_err(|e| e.to_string())?;
        if header.run != run && header.kind != Kind::Hello {
            return Err(format!("photo {} is of an earlier run", header.id));
        }
        match header.kind {
            Kind::Reply => Ok(Self::Answer {
                id: header.id,
                reply: Reply::decode(body).map_err(|e| e.to_string())?,
                at_unix_ns,
            }),
            Kind::Missing => IdSet::decode(body, u64::MAX)
                .map(Self::Missing)
                .ok_or_else(|| "a list of photos that is none".to_owned()),
            Kind::Dropped => Ok(Self::Dropped(header.id)),
            Kind::Hello => Ok(Self::Hello),
            Kind::End => Ok(Self::End),
            kind @ (Kind::Photo | Kind::Ask) => Err(format!("a message of kind {kind:?}")),
        }
    }
}

/// Looks for a process that stood still, by ticks that come too late.
pub(crate) struct Ticks {
    next: Instant,
}

impl Ticks {
    pub(crate) fn start() -> Self {
        Self {
            next: Instant::now() + TICK,
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    pub(crate) fn tick(&mut self, summary: &mut Summary) {
        let late = self.next.elapsed();
        if late >= STALL {
            summary.stalls += 1;
            summary.stalled_ms += late.as_millis() as u64;
            tracing::warn!("this process stood still for {:.1} s", late.as_secs_f64());
        }
        self.next = Instant::now() + TICK;
    }
}

pub(crate) struct Endpoint<'a> {
    pub(crate) context: &'a RunContext<'a>,
    pub(crate) session: Arc<Session>,
    pub(crate) clock: AnchoredClock,
    pub(crate) dataset: Dataset,
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
    pub(crate) total: u64,
    /// Of all messages of this run.
    pub(crate) run: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) summary: Summary,
    pub(crate) sample_file: SampleFile,
    /// Sent, and nothing said about it.
    pub(crate) open: IdSet,
    /// The worker said back that this endpoint has ended.
    pub(crate) is_ended: bool,
    /// When something last was under way or came: while a connection or a broker stands still, nobody's patience ends.
    pub(crate) last_sign: Option<Instant>,
    /// To be sent again.
    again: IdSet,
    /// What the worker was last asked for.
    asked: IdSet,
    at_worker: IdSet,
    no_room: IdSet,
    ask_at: Instant,
    ask_pause: Duration,
    ticks: Ticks,
    last_report: Instant,
}

impl<'a> Endpoint<'a> {
    pub(crate) fn new(
        context: &'a RunContext<'a>,
        session: Session,
        clock: AnchoredClock,
        dataset: Dataset,
        heard: mpsc::UnboundedReceiver<Heard>,
        total: u64,
        run: u64,
    ) -> Result<Self, RunError> {
        Ok(Self {
            context,
            session: Arc::new(session),
            clock,
            dataset,
            heard,
            total,
            run,
            samples: Vec::new(),
            summary: Summary::default(),
            sample_file: SampleFile::create(context.out)?,
            open: IdSet::default(),
            is_ended: false,
            last_sign: None,
            again: IdSet::default(),
            asked: IdSet::default(),
            at_worker: IdSet::default(),
            no_room: IdSet::default(),
            ask_at: Instant::now() + FIRST_ASK,
            ask_pause: FIRST_ASK,
            ticks: Ticks::start(),
            last_report: Instant::now(),
        })
    }

    /// Waits for something and does meanwhile what is to be done; ends early only when the run is to end.
    pub(crate) async fn until<T>(&mut self, what: impl Future<Output = T>) -> Result<T, RunError> {
        tokio::pin!(what);
        loop {
            let session = Arc::clone(&self.session);
            tokio::select! {
                biased;
                () = self.context.stop.requested() => return Err(RunError::Stopped),
                Some(heard) = self.heard.recv() => self.take(heard),
                done = &mut what => return Ok(done),
                () = session.room(MAX_MESSAGE_BYTES as u64), if !self.again.is_empty() => {
                    self.send_again().await?;
                }
                () = tokio::time::sleep_until(self.ticks.next()) => self.tick(),
            }
        }
    }

    /// A photo with its header, as it is sent first and again.
    pub(crate) async fn message(&self, id: u64, sample: &Sample) -> Result<Vec<u8>, RunError> {
        let (path, _) = self.dataset.file(id);
        let jpeg = tokio::select! {
            jpeg = tokio::fs::read(path) => jpeg,
            () = self.context.stop.requested() => return Err(RunError::Stopped),
        };
        let jpeg = jpeg.map_err(|source| RunError::File {
            doing: "read photo",
            path: path.display().to_string(),
            source,
        })?;
        let header = Header {
            kind: Kind::Photo,
            endpoint: sample.endpoint.clone(),
            id,
            due_unix_ns: sample.due_ns,
            sent_unix_ns: sample.sent_ns,
            run: self.run,
        };
        Ok(header.encode(&jpeg))
    }

    async fn send_again(&mut self) -> Result<(), RunError> {
        let Some(id) = self.again.iter().next() else {
            return Ok(());
        };
        self.again.remove(id);
        // Meanwhile answered, or on its way by itself.
        if !self.open.contains(id) || self.session.has(Tag::Photo(id)) {
            return Ok(());
        }
        let Some(sample) = self.samples.get(id as usize) else {
            return Ok(());
        };
        let message = self.message(id, sample).await?;
        self.session.publish(TOPIC_PHOTOS, message, Tag::Photo(id));
        self.was_resent(Tag::Photo(id));
        Ok(())
    }

    fn was_resent(&mut self, tag: Tag) {
        if let Tag::Photo(id) = tag {
            self.summary.resent += 1;
            if let Some(sample) = self.samples.get_mut(id as usize) {
                sample.sends += 1;
            }
        }
    }

    fn tick(&mut self) {
        self.ticks.tick(&mut self.summary);
        if !self.session.is_settled() {
            self.last_sign = Some(Instant::now());
        }
        for tag in self.session.take_resent() {
            self.was_resent(tag);
        }
        if self.ask_at <= Instant::now() {
            self.ask();
            self.ask_pause = (self.ask_pause * 2).min(LONGEST_ASK);
            self.ask_at = Instant::now() + self.ask_pause;
        }
        if self.last_report.elapsed() >= Duration::from_secs(1) {
            self.last_report = Instant::now();
            self.context.events.send(&Event::Progress {
                done: self.summary.answered,
                total: Some(self.total),
            });
        }
    }

    fn ask(&mut self) {
        // One question at a time: it would only say the same.
        if self.open.is_empty() || self.session.has(Tag::Ask) {
            return;
        }
        self.asked = self.open.clone();
        let header = Header::about(Kind::Ask, &self.context.spec.node, self.run, 0);
        let message = header.encode(&self.asked.encode());
        self.session.publish(TOPIC_PHOTOS, message, Tag::Ask);
    }

    fn take(&mut self, heard: Heard) {
        if !matches!(heard, Heard::Reconnected) {
            self.ask_pause = FIRST_ASK;
            self.ask_at = Instant::now() + FIRST_ASK;
        }
        match heard {
            Heard::Answer {
                id,
                reply,
                at_unix_ns,
            } => {
                self.last_sign = Some(Instant::now());
                self.answered(id, &reply, at_unix_ns);
            }
            Heard::Missing(ids) => {
                for id in ids.iter().filter(|id| self.open.contains(*id)) {
                    self.again.insert(id);
                    self.at_worker.remove(id);
                }
                for id in std::mem::take(&mut self.asked).iter() {
                    if !ids.contains(id) {
                        self.at_worker.insert(id);
                    }
                }
            }
            Heard::Dropped(id) => {
                if self.open.remove(id) {
                    self.no_room.insert(id);
                }
            }
            Heard::Hello | Heard::Reconnected => self.ask_at = Instant::now(),
            Heard::End => self.is_ended = true,
        }
    }

    fn answered(&mut self, id: u64, reply: &Reply, at_unix_ns: i64) {
        let Some(sample) = self.samples.get_mut(id as usize) else {
            tracing::warn!("answer to photo {id} that was not sent");
            return;
        };
        sample.copies += 1;
        if sample.copies > 1 {
            self.summary.duplicates += 1;
            return;
        }
        self.open.remove(id);
        sample.answered_ns = at_unix_ns;
        sample.stages = reply.stages;
        if let Some(best) = reply.scores.first() {
            sample.class = i32::from(best.class);
            sample.probability = best.probability;
            self.summary.answered += 1;
        } else {
            self.summary.bad_inputs += 1;
        }
        self.sample_file.add(sample);
    }

    /// The end, however it came: every photo without an answer gets its reason, and the file is whole.
    pub(crate) fn finish(mut self, result: Result<(), RunError>) -> Result<(), RunError> {
        for tag in self.session.take_resent() {
            self.was_resent(tag);
        }
        for sample in self.samples.iter_mut().filter(|s| !s.is_answered()) {
            sample.lost = Some(if self.no_room.contains(sample.id) {
                Loss::NoRoom
            } else if self.session.has(Tag::Photo(sample.id)) {
                Loss::NotTaken
            } else if self.at_worker.contains(sample.id) {
                Loss::AtWorker
            } else {
                Loss::Taken
            });
        }
        let answered = |s: &&Sample| s.is_answered();
        self.summary.lost =
            self.samples.len() as u64 - self.samples.iter().filter(answered).count() as u64;
        let late = self.samples.iter().filter(answered).filter(|s| s.sends > 1);
        self.summary.late = late.count() as u64;
        self.summary.reconnects = self.session.reconnects();
        let written = self.sample_file.replace(&self.samples);
        self.context.events.send(&Event::Finished(self.summary));
        result.and(written)
    }
}
