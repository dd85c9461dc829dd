//! The endpoint on its own: makes the load and classifies it, with a queue between.

use crate::{
    MAX_MESSAGE_BYTES,
    classifier::ClassifierFactory,
    dataset::Dataset,
    endpoint::Ticks,
    pacing::{Pace, SLIP},
    photo,
    queue::ByteQueue,
    sample_file::SampleFile,
    workers::{Classified, Job, Workers},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, Summary},
    photo_sample::{Loss, Sample},
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
        detail: format!("{}; {}", factory.describe(), photo::CHOICES),
    });

    let mut alone = Alone {
        context,
        clock,
        dataset,
        queue: &queue,
        samples: Vec::new(),
        summary: Summary::default(),
        sample_file: SampleFile::create(context.out)?,
        ticks: Ticks::start(),
        last_report: Instant::now(),
        last_result: None,
        total: spec.load.count(),
    };
    let result = alone.work(spec, &mut results).await;
    queue.close();
    if result.is_ok() {
        workers.join();
    }
    alone.finish(result)
}

struct Alone<'a> {
    context: &'a RunContext<'a>,
    clock: AnchoredClock,
    dataset: Dataset,
    queue: &'a ByteQueue<Job<u64>>,
    samples: Vec<Sample>,
    summary: Summary,
    sample_file: SampleFile,
    ticks: Ticks,
    last_report: Instant,
    last_result: Option<Instant>,
    total: u64,
}

impl Alone<'_> {
    async fn work(
        &mut self,
        spec: &Combined,
        results: &mut mpsc::UnboundedReceiver<Classified<u64>>,
    ) -> Result<(), RunError> {
        let pace = Pace::new(Instant::now() + Duration::from_millis(100), spec.load);
        for id in 0..self.total {
            let due = pace.due(id);
            self.until(results, tokio::time::sleep_until(due)).await?;
            self.generate(id, due).await?;
        }
        while self.summary.answered + self.summary.bad_inputs + self.queue.dropped() < self.total
            && Instant::now() < pace.deadline(self.last_result)
        {
            let look = tokio::time::sleep(Duration::from_millis(20));
            self.until(results, look).await?;
        }
        Ok(())
    }

    /// Waits for something and takes results meanwhile; ends early only when the run is to end.
    async fn until(
        &mut self,
        results: &mut mpsc::UnboundedReceiver<Classified<u64>>,
        what: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        tokio::pin!(what);
        loop {
            tokio::select! {
                biased;
                () = self.context.stop.requested() => return Err(RunError::Stopped),
                Some(result) = results.recv() => self.take(&result),
                () = &mut what => return Ok(()),
                () = tokio::time::sleep_until(self.ticks.next()) => {
                    self.ticks.tick(&mut self.summary);
                    if self.last_report.elapsed() >= Duration::from_secs(1) {
                        self.last_report = Instant::now();
                        self.context.events.send(&Event::Progress {
                            done: self.summary.answered,
                            total: Some(self.total),
                        });
                    }
                }
            }
        }
    }

    async fn generate(&mut self, id: u64, due: Instant) -> Result<(), RunError> {
        if due.elapsed() > SLIP {
            self.summary.slips += 1;
        }
        let (path, photo) = self.dataset.file(id);
        let begun_ns = self.clock.now_unix_ns();
        let jpeg = tokio::select! {
            jpeg = tokio::fs::read(path) => jpeg,
            () = self.context.stop.requested() => return Err(RunError::Stopped),
        };
        let jpeg = jpeg.map_err(|source| RunError::File {
            doing: "read photo",
            path: path.display().to_string(),
            source,
        })?;
        let sent_ns = self.clock.now_unix_ns();
        let mut sample = Sample {
            endpoint: self.context.spec.node.clone(),
            id,
            photo,
            bytes: jpeg.len() as u64,
            due_ns: self.clock.at_unix_ns(due.into_std()),
            begun_ns,
            sent_ns,
            class: -1,
            sends: 1,
            ..Sample::default()
        };
        self.summary.sent += 1;
        let has_room = self.queue.push(Job {
            tag: id,
            jpeg,
            received_unix_ns: sent_ns,
        });
        sample.lost = (!has_room).then_some(Loss::NoRoom);
        self.sample_file.add(&sample);
        self.samples.push(sample);
        Ok(())
    }

    fn take(&mut self, result: &Classified<u64>) {
        self.last_result = Some(Instant::now());
        take(&mut self.samples, &mut self.summary, result);
        let sample = usize::try_from(result.tag).ok();
        if let Some(sample) = sample.and_then(|i| self.samples.get(i)) {
            self.sample_file.add(sample);
        }
    }

    /// The end, however it came.
    fn finish(mut self, result: Result<(), RunError>) -> Result<(), RunError> {
        for sample in self.samples.iter_mut().filter(|s| !s.is_answered()) {
            sample.lost = sample.lost.or(Some(Loss::AtWorker));
            self.summary.lost += 1;
        }
        self.summary.dropped = self.queue.dropped();
        let written = self.sample_file.replace(&self.samples);
        self.context.events.send(&Event::Finished(self.summary));
        result.and(written)
    }
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
        let (samples, bad) = Sample::read(&csv);
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(samples.len(), 10);
        for sample in &samples {
            assert!(sample.is_answered());
            let want = if sample.photo == "a.jpg" { 100 } else { -1 };
            assert!((sample.class - want).abs() <= 2, "{sample:?}");
            assert!(sample.answered_ns >= sample.begun_ns && sample.begun_ns >= sample.due_ns);
        }
    }
}
