//! One record of samples per photo, as CSV. The columns are the public form of raw results.

use crate::header::WorkerStages;
use std::collections::BTreeMap;

/// Columns of `samples.csv`; all times are nanoseconds since 1970 by the clock of the node named in the prefix.
pub const SAMPLE_COLUMNS: &str = "endpoint,id,photo,bytes,due_endpoint_ns,begun_endpoint_ns,sent_endpoint_ns,\
received_worker_ns,dequeued_worker_ns,decoded_worker_ns,classified_worker_ns,replied_worker_ns,\
answered_endpoint_ns,class,probability,copies,sends,lost";

/// What became of a photo without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// It still waited at its endpoint.
    NotTaken,
    /// The broker acknowledged it, and nobody has seen it since.
    Taken,
    /// The worker said that it has it.
    AtWorker,
    /// The worker had no room for it.
    NoRoom,
}

impl Loss {
    /// Every one.
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

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotTaken => "still waited at the endpoint for the broker to take them",
            Self::Taken => "were taken by the broker and never seen again",
            Self::AtWorker => "were at the worker, which had not answered yet",
            Self::NoRoom => "found no room in the worker's queue",
        }
    }
}

/// Everything known about one photo at the end of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Endpoint that sent it.
    pub endpoint: String,
    /// Its number there.
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
    /// Worker's stages.
    pub stages: WorkerStages,
    /// When the answer was there; 0 = never.
    pub answered_ns: i64,
    /// Best class; -1 = none.
    pub class: i32,
    /// Its probability.
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

/// Cells as one record with its line end: quoted where a cell has a comma, a quote or a line end in it.
pub fn csv_record<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    writer.write_record(cells).ok();
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Records of a CSV text below its first line, and those that cannot be read, as they are.
pub fn csv_records(text: &str) -> (Vec<csv::StringRecord>, Vec<String>) {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let (mut records, mut bad) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => bad.push(error.to_string()),
        }
    }
    (records, bad)
}

impl Sample {
    /// One CSV record with its line end.
    pub fn to_csv(&self) -> String {
        let s = &self.stages;
        let numbers = |numbers: &[i64]| numbers.iter().map(i64::to_string).collect::<Vec<_>>();
        let mut cells = vec![
            self.endpoint.clone(),
            self.id.to_string(),
            self.photo.clone(),
            self.bytes.to_string(),
        ];
        cells.extend(numbers(&[
            self.due_ns,
            self.begun_ns,
            self.sent_ns,
            s.received_unix_ns,
            s.dequeued_unix_ns,
            s.decoded_unix_ns,
            s.classified_unix_ns,
            s.replied_unix_ns,
            self.answered_ns,
            i64::from(self.class),
        ]));
        cells.extend([
            format!("{:.6}", self.probability),
            self.copies.to_string(),
            self.sends.to_string(),
            self.lost.map_or("", Loss::name).to_owned(),
        ]);
        csv_record(cells)
    }

    fn from_record(record: &csv::StringRecord) -> Option<Self> {
        fn cell<T: std::str::FromStr>(record: &csv::StringRecord, at: usize) -> Option<T> {
            record.get(at)?.parse().ok()
        }
        if record.len() != SAMPLE_COLUMNS.split(',').count() {
            return None;
        }
        let lost = record.get(17)?;
        Some(Self {
            endpoint: cell(record, 0)?,
            id: cell(record, 1)?,
            photo: cell(record, 2)?,
            bytes: cell(record, 3)?,
            due_ns: cell(record, 4)?,
            begun_ns: cell(record, 5)?,
            sent_ns: cell(record, 6)?,
            stages: WorkerStages {
                received_unix_ns: cell(record, 7)?,
                dequeued_unix_ns: cell(record, 8)?,
                decoded_unix_ns: cell(record, 9)?,
                classified_unix_ns: cell(record, 10)?,
                replied_unix_ns: cell(record, 11)?,
            },
            answered_ns: cell(record, 12)?,
            class: cell(record, 13)?,
            probability: cell(record, 14)?,
            copies: cell(record, 15)?,
            sends: cell(record, 16)?,
            lost: Loss::ALL.into_iter().find(|l| l.name() == lost),
        })
    }

    /// Reads a file of records, and what of it is none. A run adds a record when it sends and another one when it has an
    /// answer, so that a sudden end loses neither: the last one about a photo counts.
    pub fn read(text: &str) -> (Vec<Self>, Vec<String>) {
        let (records, mut bad) = csv_records(text);
        let mut samples: Vec<Self> = Vec::new();
        let mut places = BTreeMap::new();
        for record in records {
            let Some(sample) = Self::from_record(&record) else {
                bad.push(record.iter().collect::<Vec<_>>().join(","));
                continue;
            };
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
