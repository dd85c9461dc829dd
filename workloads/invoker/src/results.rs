//! What is left of a run: `calls.csv`, and `samples.csv` for calls with photos.

use crate::Done;
use continuum_image_recognition::function::Answer;
use continuum_workload_core::{
    application::RunError,
    call::{CALL_COLUMNS, Call},
    header::WorkerStages,
    photo_sample::{SAMPLE_COLUMNS, Sample},
};
use std::path::Path;

/// A photo with what its answer says; a call that failed has a photo without an answer.
pub(crate) fn sample(call: &Call, photo: String, answer: &[u8]) -> Sample {
    let mut sample = Sample {
        endpoint: call.endpoint.clone(),
        id: call.id,
        photo,
        bytes: call.bytes,
        due_ns: call.due_ns,
        begun_ns: call.begun_ns,
        sent_ns: call.sent_ns,
        sends: 1,
        class: -1,
        ..Sample::default()
    };
    if !call.is_good() {
        return sample;
    }
    sample.answered_ns = call.answered_ns;
    sample.copies = 1;
    if let Ok(answer) = serde_json::from_slice::<Answer>(answer) {
        let stages = answer.stages;
        sample.stages = WorkerStages {
            received_unix_ns: stages.received_unix_ns,
            dequeued_unix_ns: stages.begun_unix_ns,
            decoded_unix_ns: stages.decoded_unix_ns,
            classified_unix_ns: stages.classified_unix_ns,
            replied_unix_ns: stages.classified_unix_ns,
        };
        if let Some(best) = answer.scores.first() {
            sample.class = i32::from(best.class);
            sample.probability = best.probability;
        }
    }
    sample
}

pub(crate) fn write(out: &Path, all: &[Done]) -> Result<(), RunError> {
    let calls = all.iter().map(|d| d.call.to_csv());
    save(&out.join("calls.csv"), CALL_COLUMNS, calls)?;
    let samples = all.iter().filter_map(|d| Some(d.sample.as_ref()?.to_csv()));
    save(&out.join("samples.csv"), SAMPLE_COLUMNS, samples)
}

fn save(path: &Path, columns: &str, records: impl Iterator<Item = String>) -> Result<(), RunError> {
    let mut text = format!("{columns}\n");
    text.extend(records);
    std::fs::write(path, text).map_err(|source| RunError::File {
        doing: "write",
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_answered_only_by_a_good_answer() {
        let call = |status| Call {
            status,
            answered_ns: 9,
            ..Call::default()
        };
        let answer = br#"{"time":"1","scores":[{"class":7,"label":"x","probability":0.5}],
            "stages":{"received_unix_ns":1,"begun_unix_ns":2,"decoded_unix_ns":3,"classified_unix_ns":4}}"#;
        let good = sample(&call(200), "a.jpg".into(), answer);
        assert!(good.is_answered());
        assert_eq!((good.class, good.stages.dequeued_unix_ns), (7, 2));
        let bad = sample(&call(500), "a.jpg".into(), answer);
        assert!(!bad.is_answered() && bad.class == -1);
        assert_eq!(sample(&call(200), "a.jpg".into(), b"?").class, -1);
    }
}
