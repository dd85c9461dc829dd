//! The worker: takes photos from the broker at once, classifies them in order, answers.

use crate::{
    MAX_MESSAGE_BYTES, TOPIC_PHOTOS, TOPIC_REPLIES,
    classifier::ClassifierFactory,
    mqtt::Session,
    queue::ByteQueue,
    workers::{Classified, Job, Workers},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, Summary},
    header::{Header, Kind, Reply},
    record::{SAMPLE_COLUMNS, Sample},
    spec::Subscriber,
};
use std::{
    collections::HashSet,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

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
    let workers = Workers::start(
        spec.classifiers,
        factory,
        &queue,
        clock,
        &context.events,
        move |result| {
            result_tx.send(result).ok();
        },
    )
    .await?;

    let waiting: Arc<Mutex<HashSet<String>>> =
        Arc::new(Mutex::new(spec.endpoints.iter().cloned().collect()));
    let bad_messages = Arc::new(Mutex::new(0_u64));
    let session = Session::connect(
        &spec.broker,
        &format!("{}-subscriber", context.spec.node),
        Some(TOPIC_PHOTOS.to_owned()),
        {
            let queue = Arc::clone(&queue);
            let waiting = Arc::clone(&waiting);
            let bad_messages = Arc::clone(&bad_messages);
            let events = context.events.clone();
            move |_topic, payload, received| match Header::decode(payload) {
                Ok((header, body)) => match header.kind {
                    Kind::Photo => {
                        queue.push(Job {
                            tag: header,
                            jpeg: body.to_vec(),
                            received_unix_ns: clock.at_unix_ns(received),
                        });
                    }
                    Kind::End => {
                        waiting
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .remove(&header.endpoint);
                    }
                    Kind::Reply => {}
                },
                Err(error) => {
                    *bad_messages.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    events.send(&Event::BadInput {
                        what: "message".into(),
                        why: error.to_string(),
                    });
                }
            }
        },
    )
    .await?;
    context.events.send(&Event::Ready {
        detail: factory.describe(),
    });

    let path = context.out.join("samples.csv");
    let file_error = |source| RunError::File {
        doing: "write",
        path: path.display().to_string(),
        source,
    };
    let mut csv = std::io::BufWriter::new(std::fs::File::create(&path).map_err(file_error)?);
    writeln!(csv, "{SAMPLE_COLUMNS}").map_err(file_error)?;

    let deadline = Instant::now() + Duration::from_secs_f64(spec.deadline_s);
    let mut summary = Summary::default();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut last_report = Instant::now();
    loop {
        tokio::select! {
            result = results.recv() => {
                let Some(result) = result else { break };
                let sample = answer(&session, clock, result).await?;
                summary.sent += 1;
                if sample.class < 0 {
                    summary.bad_inputs += 1;
                } else {
                    summary.answered += 1;
                }
                writeln!(csv, "{}", sample.to_csv()).map_err(file_error)?;
            }
            () = context.stop.requested() => {
                queue.close();
                csv.flush().map_err(file_error)?;
                return Err(RunError::Stopped);
            }
            _ = tick.tick() => {
                if last_report.elapsed() >= Duration::from_secs(1) {
                    last_report = Instant::now();
                    // A node that is lost keeps what is on its disk.
                    csv.flush().map_err(file_error)?;
                    context.events.send(&Event::Progress { done: summary.sent, total: None });
                }
                let all_ended = waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
                if all_ended && queue.is_idle() && results.is_empty() {
                    break;
                }
                if Instant::now() >= deadline {
                    let missing: Vec<String> = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .iter()
                        .cloned()
                        .collect();
                    queue.close();
                    csv.flush().map_err(file_error)?;
                    return Err(RunError::Deadline {
                        what: format!("endpoints to finish ({})", missing.join(", ")),
                        seconds: spec.deadline_s as u64,
                    });
                }
            }
        }
    }
    queue.close();
    workers.join();
    csv.flush().map_err(file_error)?;
    session
        .flush(Instant::now() + Duration::from_secs(10))
        .await;
    summary.reconnects = session.close().await;
    summary.dropped = queue.dropped();
    summary.bad_inputs += *bad_messages.lock().unwrap_or_else(PoisonError::into_inner);
    context.events.send(&Event::Finished(summary));
    Ok(())
}

async fn answer(
    session: &Session,
    clock: AnchoredClock,
    result: Classified<Header>,
) -> Result<Sample, RunError> {
    let Classified {
        tag: header,
        mut stages,
        scores,
    } = result;
    stages.replied_unix_ns = clock.now_unix_ns();
    let best = scores.first().copied();
    let reply = Reply { stages, scores }.encode();
    let message = Header {
        kind: Kind::Reply,
        ..header.clone()
    }
    .encode(&reply);
    session
        .publish(&format!("{TOPIC_REPLIES}/{}", header.endpoint), message)
        .await?;
    Ok(Sample {
        endpoint: header.endpoint,
        id: header.id,
        due_ns: header.due_unix_ns,
        sent_ns: header.sent_unix_ns,
        stages,
        class: best.map_or(-1, |s| i32::from(s.class)),
        probability: best.map_or(0.0, |s| s.probability),
        ..Sample::default()
    })
}
