//! The endpoint: sends photos when they are due and takes the answers.

use crate::{
    TOPIC_PHOTOS, TOPIC_REPLIES,
    dataset::Dataset,
    mqtt::Session,
    pacing::{Pace, SLIP},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, Summary},
    header::{Header, Kind, Reply},
    record::{SAMPLE_COLUMNS, Sample},
    spec::Publisher,
};
use std::{io::Write, path::Path, time::Duration};
use tokio::{sync::mpsc, time::Instant};

struct Answer {
    id: u64,
    reply: Reply,
    at_unix_ns: i64,
}

pub(crate) async fn run(context: &RunContext<'_>, spec: &Publisher) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let dataset = Dataset::open(&context.bundle.join(&spec.dataset))?;
    let node = context.spec.node.clone();
    let (answer_tx, mut answers) = mpsc::unbounded_channel();
    let session = Session::connect(
        &spec.broker,
        &format!("{node}-publisher"),
        Some(format!("{TOPIC_REPLIES}/{node}")),
        move |_topic, payload, received| {
            let decoded = Header::decode(payload)
                .and_then(|(header, body)| Ok((header.id, Reply::decode(body)?)));
            match decoded {
                Ok((id, reply)) => {
                    let at_unix_ns = clock.at_unix_ns(received);
                    answer_tx
                        .send(Answer {
                            id,
                            reply,
                            at_unix_ns,
                        })
                        .ok();
                }
                Err(error) => tracing::warn!("answer ignored: {error}"),
            }
        },
    )
    .await?;
    context.events.send(&Event::Ready {
        detail: format!("broker {}", spec.broker),
    });

    let total = spec.load.count();
    let pace = Pace::new(Instant::now() + Duration::from_millis(100), spec.load);
    let mut samples: Vec<Sample> = Vec::new();
    let mut summary = Summary::default();
    let mut last_report = Instant::now();
    for id in 0..total {
        let due = pace.due(id);
        loop {
            tokio::select! {
                biased;
                () = context.stop.requested() => return stopped(context, &samples),
                Some(answer) = answers.recv() => take(&mut samples, &mut summary, &answer),
                () = tokio::time::sleep_until(due) => break,
            }
        }
        samples.push(send(&session, &dataset, clock, &node, id, due, &mut summary).await?);
        if last_report.elapsed() >= Duration::from_secs(1) {
            last_report = Instant::now();
            context.events.send(&Event::Progress {
                done: summary.answered,
                total: Some(total),
            });
        }
    }
    let end = Header {
        kind: Kind::End,
        endpoint: node,
        id: total,
        due_unix_ns: 0,
        sent_unix_ns: 0,
    };
    session.publish(TOPIC_PHOTOS, end.encode(&[])).await?;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut answered = None;
    while summary.answered + summary.bad_inputs < total {
        tokio::select! {
            () = context.stop.requested() => return stopped(context, &samples),
            Some(answer) = answers.recv() => {
                answered = Some(Instant::now());
                take(&mut samples, &mut summary, &answer);
            }
            _ = tick.tick() => {
                context.events.send(&Event::Progress { done: summary.answered, total: Some(total) });
            }
            () = tokio::time::sleep_until(pace.deadline(answered)) => break,
        }
    }
    session
        .flush(
            pace.deadline(None)
                .max(Instant::now() + Duration::from_secs(1)),
        )
        .await;
    summary.reconnects = session.close().await;
    summary.lost = samples.iter().filter(|s| !s.is_answered()).count() as u64;
    write_samples(context.out, &samples)?;
    context.events.send(&Event::Finished(summary));
    Ok(())
}

/// Keeps what there is.
pub(crate) fn stopped(context: &RunContext<'_>, samples: &[Sample]) -> Result<(), RunError> {
    write_samples(context.out, samples)?;
    Err(RunError::Stopped)
}

async fn send(
    session: &Session,
    dataset: &Dataset,
    clock: AnchoredClock,
    node: &str,
    id: u64,
    due: Instant,
    summary: &mut Summary,
) -> Result<Sample, RunError> {
    if due.elapsed() > SLIP {
        summary.slips += 1;
    }
    let due_ns = clock.at_unix_ns(due.into_std());
    let (path, photo) = dataset.file(id);
    let begun_ns = clock.now_unix_ns();
    let jpeg = tokio::fs::read(path)
        .await
        .map_err(|source| RunError::File {
            doing: "read photo",
            path: path.display().to_string(),
            source,
        })?;
    let sent_ns = clock.now_unix_ns();
    let header = Header {
        kind: Kind::Photo,
        endpoint: node.to_owned(),
        id,
        due_unix_ns: due_ns,
        sent_unix_ns: sent_ns,
    };
    let message = header.encode(&jpeg);
    let bytes = message.len() as u64;
    session.publish(TOPIC_PHOTOS, message).await?;
    summary.sent += 1;
    Ok(Sample {
        endpoint: node.to_owned(),
        id,
        photo,
        bytes,
        due_ns,
        begun_ns,
        sent_ns,
        class: -1,
        ..Sample::default()
    })
}

fn take(samples: &mut [Sample], summary: &mut Summary, answer: &Answer) {
    let Some(sample) = usize::try_from(answer.id)
        .ok()
        .and_then(|i| samples.get_mut(i))
    else {
        tracing::warn!("answer to photo {} that was not sent", answer.id);
        return;
    };
    sample.copies += 1;
    if sample.copies > 1 {
        summary.duplicates += 1;
        return;
    }
    sample.answered_ns = answer.at_unix_ns;
    sample.stages = answer.reply.stages;
    if let Some(best) = answer.reply.scores.first() {
        sample.class = i32::from(best.class);
        sample.probability = best.probability;
        summary.answered += 1;
    } else {
        summary.bad_inputs += 1;
    }
}

/// Writes `samples.csv`.
pub(crate) fn write_samples(out: &Path, samples: &[Sample]) -> Result<(), RunError> {
    let path = out.join("samples.csv");
    let mut text = format!("{SAMPLE_COLUMNS}\n").into_bytes();
    for sample in samples {
        writeln!(text, "{}", sample.to_csv()).ok();
    }
    std::fs::write(&path, text).map_err(|source| RunError::File {
        doing: "write",
        path: path.display().to_string(),
        source,
    })
}
