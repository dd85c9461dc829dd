//! The photos that an endpoint has sent, and what became of each.

use crate::{dataset::Dataset, sample_file::SampleFile};
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
    event::{Event, Summary},
    header::{Score, WorkerStages},
    photo_sample::{Loss, Sample},
    spec::Load,
};
use tokio::time::Instant;

pub(crate) struct Sent<'a> {
    pub(crate) context: &'a RunContext<'a>,
    pub(crate) clock: AnchoredClock,
    pub(crate) total: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) summary: Summary,
    dataset: Dataset,
    sample_file: SampleFile,
}

impl<'a> Sent<'a> {
    pub(crate) fn new(
        context: &'a RunContext<'a>,
        clock: AnchoredClock,
        dataset: Dataset,
        load: Load,
    ) -> Result<Self, RunError> {
        Ok(Self {
            context,
            clock,
            total: load.count(),
            samples: Vec::new(),
            summary: Summary::default(),
            dataset,
            sample_file: SampleFile::create(context.out)?,
        })
    }

    /// A photo whose way begins now.
    pub(crate) fn begin(&self, id: u64, due: Instant) -> Sample {
        Sample {
            endpoint: self.context.spec.node.clone(),
            id,
            photo: self.dataset.file(id).1,
            due_ns: self.clock.at_unix_ns(due.into_std()),
            begun_ns: self.clock.now_unix_ns(),
            class: -1,
            sends: 1,
            ..Sample::default()
        }
    }

    /// The bytes of a photo.
    pub(crate) async fn read(&self, id: u64) -> Result<Vec<u8>, RunError> {
        let (path, _) = self.dataset.file(id);
        let jpeg = tokio::select! {
            jpeg = tokio::fs::read(path) => jpeg,
            () = self.context.stop.requested() => return Err(RunError::Stopped),
        };
        jpeg.map_err(|source| RunError::File {
            doing: "read photo",
            path: path.display().to_string(),
            source,
        })
    }

    /// One is on its way.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.summary.sent += 1;
        self.sample_file.add(&sample);
        self.samples.push(sample);
    }

    /// An answer came; true if it is the first.
    pub(crate) fn answered(
        &mut self,
        id: u64,
        stages: WorkerStages,
        best: Option<&Score>,
        at_unix_ns: i64,
    ) -> bool {
        let Some(sample) = self.samples.get_mut(id as usize) else {
            tracing::warn!("answer to photo {id} that was not sent");
            return false;
        };
        sample.copies += 1;
        if sample.copies > 1 {
            self.summary.duplicates += 1;
            return false;
        }
        sample.answered_ns = at_unix_ns;
        sample.stages = stages;
        if let Some(best) = best {
            sample.class = i32::from(best.class);
            sample.probability = best.probability;
            self.summary.answered += 1;
        } else {
            self.summary.bad_inputs += 1;
        }
        self.sample_file.add(sample);
        true
    }

    /// The end, however it came: every photo without an answer gets its reason, and the file is whole.
    pub(crate) fn finish(
        mut self,
        result: Result<(), RunError>,
        reason: impl Fn(&Sample) -> Loss,
    ) -> Result<(), RunError> {
        for sample in &mut self.samples {
            if !sample.is_answered() {
                sample.lost = Some(reason(sample));
                self.summary.lost += 1;
            } else if sample.sends > 1 {
                self.summary.late += 1;
            }
        }
        let written = self.sample_file.replace(&self.samples);
        self.context.events.send(&Event::Finished(self.summary));
        result.and(written)
    }
}
