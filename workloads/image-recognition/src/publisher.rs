//! The endpoint: sends photos when they are due and takes the answers.

use crate::{
    TOPIC_PHOTOS, TOPIC_REPLIES,
    dataset::Dataset,
    endpoint::{Endpoint, Heard},
    mqtt::{Seen, Session, Tag},
    pacing::{Pace, SLIP},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::Event,
    header::{Header, Kind},
    photo_sample::Sample,
    spec::Publisher,
};
use std::time::Duration;
use tokio::{sync::mpsc, time::Instant};

/// How often the worker is told of the end until it has heard it, and for how long.
const END_EVERY: Duration = Duration::from_secs(2);
const END_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

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
    let total = spec.load.count();
    let mut endpoint = Endpoint::new(context, session, clock, dataset, heard, total, run)?;
    context.events.send(&Event::Ready {
        detail: format!("broker {}", spec.broker),
    });
    let result = work(&mut endpoint, spec).await;
    endpoint.finish(result)
}

async fn work(endpoint: &mut Endpoint<'_>, spec: &Publisher) -> Result<(), RunError> {
    let pace = Pace::new(Instant::now() + Duration::from_millis(100), spec.load);
    // Until when the connection took nothing more.
    let mut waited_until = None;
    for id in 0..endpoint.total {
        let due = pace.due(id);
        endpoint.until(tokio::time::sleep_until(due)).await?;
        if due.elapsed() > SLIP {
            endpoint.summary.slips += 1;
            endpoint.summary.slips_waiting += u64::from(waited_until.is_some_and(|at| at > due));
        }
        if let Some(at) = send(endpoint, id, due).await? {
            waited_until = Some(at);
        }
    }
    while !endpoint.open.is_empty() && Instant::now() < pace.deadline(endpoint.last_sign) {
        endpoint.until(tokio::time::sleep(LOOK)).await?;
    }
    end(endpoint).await
}

/// Sends one photo; returns when there was room for it, if there was none at first.
async fn send(
    endpoint: &mut Endpoint<'_>,
    id: u64,
    due: Instant,
) -> Result<Option<Instant>, RunError> {
    let (_, photo) = endpoint.dataset.file(id);
    let mut sample = Sample {
        endpoint: endpoint.context.spec.node.clone(),
        id,
        photo,
        due_ns: endpoint.clock.at_unix_ns(due.into_std()),
        begun_ns: endpoint.clock.now_unix_ns(),
        class: -1,
        sends: 1,
        ..Sample::default()
    };
    let mut message = endpoint.message(id, &sample).await?;
    let bytes = message.len() as u64;
    let mut waited = None;
    if !endpoint.session.has_room(bytes) {
        let begun = Instant::now();
        let waiting = endpoint.session.waiting_bytes();
        tracing::warn!("photo {id} waits: the broker has not taken the {waiting} bytes before it");
        let session = std::sync::Arc::clone(&endpoint.session);
        let room = endpoint.until(session.room(bytes)).await;
        endpoint.summary.waits += 1;
        endpoint.summary.waited_ms += begun.elapsed().as_millis() as u64;
        room?;
        waited = Some(Instant::now());
    }
    sample.sent_ns = endpoint.clock.now_unix_ns();
    sample.bytes = bytes;
    Header::set_sent(&mut message, sample.sent_ns);
    endpoint
        .session
        .publish(TOPIC_PHOTOS, message, Tag::Photo(id));
    endpoint.summary.sent += 1;
    endpoint.open.insert(id);
    endpoint.sample_file.add(&sample);
    endpoint.samples.push(sample);
    Ok(waited)
}

/// Tells the worker that there will be nothing more, until it has said so back.
async fn end(endpoint: &mut Endpoint<'_>) -> Result<(), RunError> {
    let give_up = Instant::now() + END_WITHIN;
    let mut say_at = Instant::now();
    let session = std::sync::Arc::clone(&endpoint.session);
    while !endpoint.is_ended && Instant::now() < give_up {
        if say_at <= Instant::now() {
            say_at = Instant::now() + END_EVERY;
            if !session.has(Tag::End) {
                let header = Header::about(
                    Kind::End,
                    &endpoint.context.spec.node,
                    endpoint.run,
                    endpoint.total,
                );
                session.publish(TOPIC_PHOTOS, header.encode(&[]), Tag::End);
            }
        }
        endpoint.until(tokio::time::sleep(LOOK)).await?;
    }
    if !endpoint.is_ended {
        // With all answers the worker knows by itself that this is the end.
        if !endpoint.open.is_empty() {
            return Err(RunError::Deadline {
                what: format!(
                    "the worker to answer {} photos, and to hear that this is the end",
                    endpoint.open.len()
                ),
                seconds: END_WITHIN.as_secs(),
            });
        }
        tracing::warn!("the worker did not say that it has heard of the end");
        return Ok(());
    }
    endpoint
        .until(tokio::time::timeout(
            Duration::from_secs(2),
            session.flush(),
        ))
        .await?
        .ok();
    endpoint.until(session.close()).await
}
