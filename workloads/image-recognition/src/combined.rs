//! The endpoint on its own: makes the load and classifies it, with a queue between.

use crate::{
    MAX_MESSAGE_BYTES,
    classifier::ClassifierFactory,
    dataset::Dataset,
    pacing::{Pace, SLIP},
    publisher::{stopped, write_samples},
    queue::ByteQueue,
    workers::{Classified, Job, Workers},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, Summary},
    record::Sample,
    spec::Combined,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

pub(crate) async fn run(
    context: &RunContext<'_>,
    spec: &Combined,
    factory: &dyn ClassifierFactory,
) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let dataset = Dataset::open(&context.bundle.join(&spec.dataset))?;
    let queue = Arc::new(ByteQueue::<Job<u64>>::new(
        spec.queue_bytes.max(MAX_MESSAGE_BYTES as u64),
    ));
    let (result_tx, mut results) = mpsc::unbounded_channel::<Classified<u64>>();
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
    context.events.send(&Event::Ready {
        detail: factory.describe(),
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
                Some(result) = results.recv() => take(&mut samples, &mut summary, &result),
                () = tokio::time::sleep_until(due) => break,
            }
        }
        if due.elapsed() > SLIP {
            summary.slips += 1;
        }
        let (path, photo) = dataset.file(id);
        let begun_ns = clock.now_unix_ns();
        let jpeg = tokio::fs::read(path)
            .await
            .map_err(|source| RunError::File {
                doing: "read photo",
                path: path.display().to_string(),
                source,
            })?;
        let bytes = jpeg.len() as u64;
        let sent_ns = clock.now_unix_ns();
        samples.push(Sample {
            endpoint: context.spec.node.clone(),
            id,
            photo,
            bytes,
            due_ns: clock.at_unix_ns(due.into_std()),
            begun_ns,
            sent_ns,
            class: -1,
            ..Sample::default()
        });
        summary.sent += 1;
        queue.push(Job {
            tag: id,
            jpeg,
            received_unix_ns: sent_ns,
        });
        if last_report.elapsed() >= Duration::from_secs(1) {
            last_report = Instant::now();
            context.events.send(&Event::Progress {
                done: summary.answered,
                total: Some(total),
            });
        }
    }
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut answered = None;
    while summary.answered + summary.bad_inputs + queue.dropped() < total {
        tokio::select! {
            () = context.stop.requested() => return stopped(context, &samples),
            Some(result) = results.recv() => {
                answered = Some(Instant::now());
                take(&mut samples, &mut summary, &result);
            }
            _ = tick.tick() => {
                context.events.send(&Event::Progress { done: summary.answered, total: Some(total) });
            }
            () = tokio::time::sleep_until(pace.deadline(answered)) => break,
        }
    }
    queue.close();
    workers.join();
    summary.dropped = queue.dropped();
    summary.lost = samples.iter().filter(|s| !s.is_answered()).count() as u64;
    write_samples(context.out, &samples)?;
    context.events.send(&Event::Finished(summary));
    Ok(())
}

fn take(samples: &mut [Sample], summary: &mut Summary, result: &Classified<u64>) {
    let Some(sample) = usize::try_from(result.tag)
        .ok()
        .and_then(|i| samples.get_mut(i))
    else {
        return;
    };
    sample.stages = result.stages;
    sample.stages.replied_unix_ns = result.stages.classified_unix_ns;
    sample.answered_ns = result.stages.classified_unix_ns;
    sample.copies = 1;
    if let Some(best) = result.scores.first() {
        sample.class = i32::from(best.class);
        sample.probability = best.probability;
        summary.answered += 1;
    } else {
        summary.bad_inputs += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{classifier::fake::FakeFactory, photo::tests::jpeg};
    use continuum_workload_core::{
        application::Stop,
        event::EventSink,
        spec::{Load, Role, RunSpec},
    };

    #[tokio::test]
    async fn every_photo_is_answered_and_a_bad_one_is_counted() {
        let bundle = tempfile::tempdir().unwrap();
        let out = tempfile::tempdir().unwrap();
        let photos = bundle.path().join("photos");
        std::fs::create_dir(&photos).unwrap();
        std::fs::write(photos.join("a.jpg"), jpeg(64, 64, [100, 0, 0])).unwrap();
        std::fs::write(photos.join("b.jpg"), b"not a photo").unwrap();
        let spec = Combined {
            load: Load {
                frequency_hz: 50.0,
                duration_s: 0.2,
                grace_s: 5.0,
            },
            dataset: "photos".into(),
            classifiers: 2,
            queue_bytes: 0,
        };
        let context = RunContext {
            spec: RunSpec {
                application: "image_classification".into(),
                node: "endpoint0".into(),
                role: Role::Combined(spec.clone()),
            },
            bundle: bundle.path(),
            out: out.path(),
            events: EventSink::new(std::io::sink()),
            stop: Stop::default(),
        };
        run(&context, &spec, &FakeFactory).await.unwrap();
        let csv = std::fs::read_to_string(out.path().join("samples.csv")).unwrap();
        let samples: Vec<Sample> = csv
            .lines()
            .skip(1)
            .map(|l| Sample::from_csv(l).unwrap())
            .collect();
        assert_eq!(samples.len(), 10);
        for sample in &samples {
            assert!(sample.is_answered());
            let want = if sample.photo == "a.jpg" { 100 } else { -1 };
            assert!((sample.class - want).abs() <= 2, "{sample:?}");
            assert!(sample.answered_ns >= sample.begun_ns && sample.begun_ns >= sample.due_ns);
        }
    }
}
