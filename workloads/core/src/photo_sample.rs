//! One record of samples per photo, as CSV. The columns are the public form of raw results.

use crate::{
    csv_records::{read_records, to_record},
    header::WorkerStages,
};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// Columns of `samples.csv`; all times are nanoseconds since 1970 by the clock of the node named in the prefix.
pub const SAMPLE_COLUMNS: &str = "endpoint,id,photo,bytes,due_endpoint_ns,begun_endpoint_ns,sent_endpoint_ns,\
received_worker_ns,dequeued_worker_ns,decoded_worker_ns,classified_worker_ns,replied_worker_ns,\
answered_endpoint_ns,class,probability,copies,sends,lost";

/// What became of a photo without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Loss {
    /// It still waited at its endpoint.
    #[serde(rename = "not_taken_by_broker")]
    NotTaken,
    /// The broker acknowledged it, and nobody has seen it since.
    #[serde(rename = "taken_by_broker")]
    Taken,
    /// The worker said that it has it.
    #[serde(rename = "at_worker")]
    AtWorker,
    /// The worker had no room for it.
    #[serde(rename = "no_room_at_worker")]
    NoRoom,
}

impl Loss {
    pub const ALL: [Self; 4] = [Self::NotTaken, Self::Taken, Self::AtWorker, Self::NoRoom];

    /// As in `samples.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotTaken => "not_taken_by_broker",
            Self::Taken => "taken_by_broker",
            Self::AtWorker => "at_worker",
            Self::NoRoom => "no_room_at_worker",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::NotTaken => "still waited at the endpoint for the broker to take them",
            Self::Taken => "were taken by the broker and never seen again",
            Self::AtWorker => "were at the worker, which had not answered yet",
            Self::NoRoom => "found no room in the worker's queue",
        }
    }
}

/// Everything known about one photo at the end of a run; a record of `samples.csv` has these in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Endpoint that sent it.
    pub endpoint: String,
    pub id: u64,
    /// File name of the photo.
    pub photo: String,
    /// Size of the message with its header.
    pub bytes: u64,
    /// When it was due.
    pub due_ns: i64,
    /// When the endpoint began with it (upstream's t0: just before the file is read).
    pub begun_ns: i64,
    /// When it was handed to the network; for combined runs, to the queue.
    pub sent_ns: i64,
    pub stages: WorkerStages,
    /// When the answer was there; 0 = never.
    pub answered_ns: i64,
    /// Best class; -1 = none.
    pub class: i32,
    #[serde(serialize_with = "six_decimals")]
    pub probability: f32,
    /// How many answers came.
    pub copies: u32,
    /// How often it was sent.
    pub sends: u32,
    /// What became of it, if there was no answer by the end.
    pub lost: Option<Loss>,
}

/// The name of a file as text. What is no UTF-8 in it is written as `\xff`, so that names that differ stay different.
pub fn file_name(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn six_decimals<S: Serializer>(number: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:.6}"))
}

impl Sample {
    /// One CSV record with its line end.
    pub fn to_csv(&self) -> String {
        to_record(self)
    }

    /// Reads a file of records, and what of it is none. A run adds a record when it sends and another one when it has an
    /// answer, so that a sudden end loses neither: the last one about a photo counts.
    pub fn read(text: &str) -> (Vec<Self>, Vec<String>) {
        let (records, bad) = read_records::<Self>(text, SAMPLE_COLUMNS);
        let mut samples: Vec<Self> = Vec::new();
        let mut places = BTreeMap::new();
        for sample in records {
            let next = samples.len();
            let place = *places
                .entry((sample.endpoint.clone(), sample.id))
                .or_insert(next);
            match samples.get_mut(place) {
                Some(known) => *known = sample,
                None => samples.push(sample),
            }
        }
        (samples, bad)
    }

    /// Whether an answer came.
    pub fn is_answered(&self) -> bool {
        self.answered_ns != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            endpoint: "endpoint0".into(),
            id: 3,
            photo: "cat.jpg".into(),
            bytes: 70_000,
            due_ns: 1,
            begun_ns: 2,
            sent_ns: 3,
            answered_ns: 9,
            class: 281,
            probability: 0.5,
            copies: 1,
            sends: 2,
            lost: None,
            ..Sample::default()
        }
    }

    fn file(samples: &[Sample]) -> String {
        let records: String = samples.iter().map(Sample::to_csv).collect();
        format!("{SAMPLE_COLUMNS}\n{records}")
    }

    #[test]
    fn any_file_name_comes_back_as_it_was() {
        for name in [
            "cat.jpg",
            "cat,dog.jpg",
            "quote\"x.jpg",
            "line\nfeed.jpg",
            "猫.jpg",
        ] {
            let sample = Sample {
                photo: name.into(),
                ..sample()
            };
            assert_eq!(
                Sample::read(&file(std::slice::from_ref(&sample))),
                (vec![sample], vec![])
            );
        }
    }

    #[test]
    fn a_record_is_as_it_was_always_written() {
        let lost = Sample {
            lost: Some(Loss::NoRoom),
            ..sample()
        };
        let text = "endpoint0,3,cat.jpg,70000,1,2,3,0,0,0,0,0,9,281,0.500000,1,2,";
        assert_eq!(sample().to_csv(), format!("{text}\n"));
        assert_eq!(lost.to_csv(), format!("{text}no_room_at_worker\n"));
    }

    #[test]
    fn the_last_record_of_a_photo_counts_and_a_torn_one_is_named() {
        let sent = Sample {
            answered_ns: 0,
            class: -1,
            lost: Some(Loss::AtWorker),
            ..sample()
        };
        let other = Sample {
            id: 4,
            ..sent.clone()
        };
        let text = file(&[sent, other.clone(), sample()]) + "endpoint0,5,torn";
        let (samples, bad) = Sample::read(&text);
        assert_eq!(samples, [sample(), other]);
        assert_eq!(bad, ["endpoint0,5,torn"]);
    }
}
