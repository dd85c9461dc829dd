//! What an endpoint knows of its photos: which are under way, which it has to send again, which it has given up.
//!
//! An answer is the only proof that a photo arrived: brokers acknowledge what they lose when they die, or when their
//! memory is full. So an endpoint that hears nothing for a while, or whose connection or whose worker's connection broke,
//! asks the worker for what has no answer. The worker says again what it has said, and names what it never got, which is
//! read from its file and sent again under the same number.

use crate::{
    MAX_MESSAGE_BYTES, TOPIC_PHOTOS,
    mqtt::{Session, Tag},
    rounds::Role,
    sent::Sent,
};
use continuum_workload_core::{
    application::RunError,
    event::Summary,
    header::{Header, Kind, Reply},
    ids::IdSet,
    photo_sample::{Loss, Sample},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// So long without a word of the worker until it is asked, and then twice as long each time.
const FIRST_ASK: Duration = Duration::from_secs(3);
const LONGEST_ASK: Duration = Duration::from_secs(30);

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

pub(crate) struct Endpoint<'a> {
    pub(crate) sent: Sent<'a>,
    pub(crate) session: Arc<Session>,
    /// Of all messages of this run.
    pub(crate) run: u64,
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
}

impl<'a> Endpoint<'a> {
    pub(crate) fn new(sent: Sent<'a>, session: Session, run: u64) -> Self {
        Self {
            sent,
            session: Arc::new(session),
            run,
            open: IdSet::default(),
            is_ended: false,
            last_sign: None,
            again: IdSet::default(),
            asked: IdSet::default(),
            at_worker: IdSet::default(),
            no_room: IdSet::default(),
            ask_at: Instant::now() + FIRST_ASK,
            ask_pause: FIRST_ASK,
        }
    }

    /// A photo with its header, as it is sent first and again.
    pub(crate) async fn message(&self, sample: &Sample) -> Result<Vec<u8>, RunError> {
        let jpeg = self.sent.read(sample.id).await?;
        let header = Header {
            kind: Kind::Photo,
            endpoint: sample.endpoint.clone(),
            id: sample.id,
            due_unix_ns: sample.due_ns,
            sent_unix_ns: sample.sent_ns,
            run: self.run,
        };
        Ok(header.encode(&jpeg))
    }

    fn was_resent(&mut self, tag: Tag) {
        if let Tag::Photo(id) = tag {
            self.sent.summary.resent += 1;
            if let Some(sample) = self.sent.samples.get_mut(id as usize) {
                sample.sends += 1;
            }
        }
    }

    fn ask(&mut self) {
        // One question at a time: it would only say the same.
        if self.open.is_empty() || self.session.has(Tag::Ask) {
            return;
        }
        self.asked = self.open.clone();
        let node = &self.sent.context.spec.node;
        let header = Header::about(Kind::Ask, node, self.run, 0);
        let message = header.encode(&self.asked.encode());
        self.session.publish(TOPIC_PHOTOS, message, Tag::Ask);
    }

    pub(crate) fn finish(mut self, result: Result<(), RunError>) -> Result<(), RunError> {
        for tag in self.session.take_resent() {
            self.was_resent(tag);
        }
        self.sent.summary.reconnects = self.session.reconnects();
        let (session, no_room, at_worker) = (self.session, self.no_room, self.at_worker);
        self.sent.finish(result, |sample| {
            if no_room.contains(sample.id) {
                Loss::NoRoom
            } else if session.has(Tag::Photo(sample.id)) {
                Loss::NotTaken
            } else if at_worker.contains(sample.id) {
                Loss::AtWorker
            } else {
                Loss::Taken
            }
        })
    }
}

impl Role for Endpoint<'_> {
    type Heard = Heard;

    fn summary(&mut self) -> &mut Summary {
        &mut self.sent.summary
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.sent.summary.answered, Some(self.sent.total))
    }

    fn tick(&mut self) {
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
    }

    async fn has_more(&self) {
        if self.again.is_empty() {
            return std::future::pending().await;
        }
        self.session.room(MAX_MESSAGE_BYTES as u64).await;
    }

    /// Sends one again.
    async fn more(&mut self) -> Result<(), RunError> {
        let Some(id) = self.again.iter().next() else {
            return Ok(());
        };
        self.again.remove(id);
        // Meanwhile answered, or on its way by itself.
        if !self.open.contains(id) || self.session.has(Tag::Photo(id)) {
            return Ok(());
        }
        let Some(sample) = self.sent.samples.get(id as usize) else {
            return Ok(());
        };
        let message = self.message(sample).await?;
        self.session.publish(TOPIC_PHOTOS, message, Tag::Photo(id));
        self.was_resent(Tag::Photo(id));
        Ok(())
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
                let best = reply.scores.first();
                if self.sent.answered(id, reply.stages, best, at_unix_ns) {
                    self.open.remove(id);
                }
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
}
