//! The endpoint: sends photos when they are due and takes the answers.

use crate::{
    TOPIC_PHOTOS, TOPIC_REPLIES,
    dataset::Dataset,
    endpoint::{Endpoint, Heard},
    mqtt::{Seen, Session, Tag},
    rounds::{LOOK, Rounds, Source},
    sent::Sent,
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::Event,
    header::{Header, Kind},
    spec::Publisher,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// How often the worker is told of the end until it has heard it, and for how long.
const END_EVERY: Duration = Duration::from_secs(2);
const END_WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn run(context: &RunContext<'_>, spec: &Publisher) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let dataset = Dataset::open(&context.bundle.join(&spec.dataset))?;
    let node = &context.spec.node;
    let run = clock.now_unix_ns() as u64;
    let (heard_tx, heard) = mpsc::unbounded_channel();
    let session = Session::connect(
        &spec.broker,
        &format!("{node}-publisher"),
        Some(format!("{TOPIC_REPLIES}/{node}")),
        &context.stop,
        move |seen| {
            let heard = match seen {
                Seen::Reconnected => Ok(Heard::Reconnected),
                Seen::Message(message, at) => Heard::decode(message, run, clock.at_unix_ns(at)),
            };
            match heard {
                // Nobody listens any more once the run is over.
                Ok(heard) => drop(heard_tx.send(heard)),
                Err(error) => tracing::warn!("answer ignored: {error}"),
            }
        },
    )
    .await?;
    let sent = Sent::new(context, clock, dataset, spec.load)?;
    let mut rounds = Rounds::new(context, heard, Endpoint::new(sent, session, run));
    context.events.send(&Event::Ready {
        detail: format!("broker {}", spec.broker),
    });
    let result = match rounds.send_all(spec.load).await {
        Ok(()) => end(&mut rounds).await,
        stopped => stopped,
    };
    rounds.role.finish(result)
}

impl Source for Endpoint<'_> {
    async fn send(
        rounds: &mut Rounds<'_, Self>,
        id: u64,
        due: Instant,
    ) -> Result<Option<Instant>, RunError> {
        let endpoint = &rounds.role;
        let mut sample = endpoint.sent.begin(id, due);
        let mut message = endpoint.message(&sample).await?;
        let session = Arc::clone(&endpoint.session);
        let bytes = message.len() as u64;
        let mut waited = None;
        if !session.has_room(bytes) {
            let begun = Instant::now();
            let waiting = session.waiting_bytes();
            tracing::warn!(
                "photo {id} waits: the broker has not taken the {waiting} bytes before it"
            );
            let room = rounds.until(session.room(bytes)).await;
            let summary = &mut rounds.role.sent.summary;
            summary.waits += 1;
            summary.waited_ms += begun.elapsed().as_millis() as u64;
            room?;
            waited = Some(Instant::now());
        }
        let endpoint = &mut rounds.role;
        sample.sent_ns = endpoint.sent.clock.now_unix_ns();
        sample.bytes = bytes;
        Header::set_sent(&mut message, sample.sent_ns);
        session.publish(TOPIC_PHOTOS, message, Tag::Photo(id));
        endpoint.open.insert(id);
        endpoint.sent.add(sample);
        Ok(waited)
    }

    fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn last_sign(&self) -> Option<Instant> {
        self.last_sign
    }
}

/// Tells the worker that there will be nothing more, until it has said so back.
async fn end(rounds: &mut Rounds<'_, Endpoint<'_>>) -> Result<(), RunError> {
    let give_up = Instant::now() + END_WITHIN;
    let mut say_at = Instant::now();
    let session = Arc::clone(&rounds.role.session);
    while !rounds.role.is_ended && Instant::now() < give_up {
        if say_at <= Instant::now() {
            say_at = Instant::now() + END_EVERY;
            if !session.has(Tag::End) {
                let Endpoint { sent, run, .. } = &rounds.role;
                let node = &sent.context.spec.node;
                let header = Header::about(Kind::End, node, *run, sent.total);
                session.publish(TOPIC_PHOTOS, header.encode(&[]), Tag::End);
            }
        }
        rounds.until(tokio::time::sleep(LOOK)).await?;
    }
    if !rounds.role.is_ended {
        // With all answers the worker knows by itself that this is the end.
        if rounds.role.is_open() {
            return Err(RunError::Deadline {
                what: format!(
                    "the worker to answer {} photos, and to hear that this is the end",
                    rounds.role.open.len()
                ),
                seconds: END_WITHIN.as_secs(),
            });
        }
        tracing::warn!("the worker did not say that it has heard of the end");
        return Ok(());
    }
    rounds
        .until(tokio::time::timeout(
            Duration::from_secs(2),
            session.flush(),
        ))
        .await?
        .ok();
    rounds.until(session.close()).await
}
