//! The endpoint on its own: makes the load and classifies it, with a queue between.

use crate::{
    classifier::ClassifierFactory,
    dataset::Dataset,
    rounds::{Role, Rounds, Source},
    sent::Sent,
    workers::{Classified, Job, Workers, tell_ready},
};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::Summary,
    photo_sample::{Loss, Sample},
    spec::Combined,
};
use tokio::{sync::mpsc, time::Instant};

pub(crate) async fn run(
    context: &RunContext<'_>,
    spec: &Combined,
    factory: &dyn ClassifierFactory,
) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let dataset = Dataset::open(&context.bundle.join(&spec.dataset))?;
    let (result_tx, results) = mpsc::unbounded_channel();
    let workers = Workers::start(
        context,
        (spec.classifiers, spec.queue_bytes),
        factory,
        clock,
        move |result| drop(result_tx.send(result)),
    )
    .await?;
    tell_ready(context, factory);
    let alone = Alone {
        sent: Sent::new(context, clock, dataset, spec.load)?,
        workers,
        last_result: None,
    };
    let mut rounds = Rounds::new(context, results, alone);
    let result = rounds.send_all(spec.load).await;
    let Alone {
        mut sent,
        mut workers,
        ..
    } = rounds.role;
    if result.is_ok() {
        workers.join();
    }
    sent.summary.dropped = workers.queue.dropped();
    sent.finish(result, |sample| sample.lost.unwrap_or(Loss::AtWorker))
}

struct Alone<'a> {
    sent: Sent<'a>,
    workers: Workers<u64>,
    last_result: Option<Instant>,
}

impl Role for Alone<'_> {
    type Heard = Classified<u64>;

    fn take(&mut self, result: Classified<u64>) {
        self.last_result = Some(Instant::now());
        let Classified {
            tag,
            mut stages,
            scores,
        } = result;
        let at = stages.classified_unix_ns;
        stages.replied_unix_ns = at;
        self.sent.answered(tag, stages, scores.first(), at);
    }

    fn summary(&mut self) -> &mut Summary {
        &mut self.sent.summary
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.sent.summary.answered, Some(self.sent.total))
    }
}

impl Source for Alone<'_> {
    async fn send(
        rounds: &mut Rounds<'_, Self>,
        id: u64,
        due: Instant,
    ) -> Result<Option<Instant>, RunError> {
        let Self { sent, workers, .. } = &mut rounds.role;
        let begun = sent.begin(id, due);
        let jpeg = sent.read(id).await?;
        let sent_ns = sent.clock.now_unix_ns();
        let bytes = jpeg.len() as u64;
        let has_room = workers.queue.push(Job {
            tag: id,
            jpeg,
            received_unix_ns: sent_ns,
        });
        sent.add(Sample {
            bytes,
            sent_ns,
            lost: (!has_room).then_some(Loss::NoRoom),
            ..begun
        });
        Ok(None)
    }

    fn is_open(&self) -> bool {
        let summary = &self.sent.summary;
        summary.answered + summary.bad_inputs + self.workers.queue.dropped() < self.sent.total
    }

    fn last_sign(&self) -> Option<Instant> {
        self.last_result
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
