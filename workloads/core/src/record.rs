//! One line of samples per photo, as CSV. The columns are the public form of raw results.

use crate::header::WorkerStages;

/// Columns of `samples.csv`; all times are nanoseconds since 1970 by the clock of the node named in the prefix.
pub const SAMPLE_COLUMNS: &str = "endpoint,id,photo,bytes,due_endpoint_ns,begun_endpoint_ns,sent_endpoint_ns,\
received_worker_ns,dequeued_worker_ns,decoded_worker_ns,classified_worker_ns,replied_worker_ns,\
answered_endpoint_ns,class,probability,copies";

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
}

impl Sample {
    /// One CSV line without the line end.
    pub fn to_csv(&self) -> String {
        let s = &self.stages;
        format!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{:.6},{}",
            self.endpoint,
            self.id,
            self.photo.replace([',', '\n', '"'], "_"),
            self.bytes,
            self.due_ns,
            self.begun_ns,
            self.sent_ns,
            s.received_unix_ns,
            s.dequeued_unix_ns,
            s.decoded_unix_ns,
            s.classified_unix_ns,
            s.replied_unix_ns,
            self.answered_ns,
            self.class,
            self.probability,
            self.copies
        )
    }

    /// Reads a line of [`Sample::to_csv`]; `None` if it is not one.
    pub fn from_csv(line: &str) -> Option<Self> {
        let f: Vec<&str> = line.split(',').collect();
        let [
            endpoint,
            id,
            photo,
            bytes,
            due,
            begun,
            sent,
            received,
            dequeued,
            decoded,
            classified,
            replied,
            answered,
            class,
            probability,
            copies,
        ] = f.as_slice()
        else {
            return None;
        };
        Some(Self {
            endpoint: (*endpoint).to_owned(),
            id: id.parse().ok()?,
            photo: (*photo).to_owned(),
            bytes: bytes.parse().ok()?,
            due_ns: due.parse().ok()?,
            begun_ns: begun.parse().ok()?,
            sent_ns: sent.parse().ok()?,
            stages: WorkerStages {
                received_unix_ns: received.parse().ok()?,
                dequeued_unix_ns: dequeued.parse().ok()?,
                decoded_unix_ns: decoded.parse().ok()?,
                classified_unix_ns: classified.parse().ok()?,
                replied_unix_ns: replied.parse().ok()?,
            },
            answered_ns: answered.parse().ok()?,
            class: class.parse().ok()?,
            probability: probability.parse().ok()?,
            copies: copies.parse().ok()?,
        })
    }

    /// Whether an answer came.
    pub fn is_answered(&self) -> bool {
        self.answered_ns != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_round_trip_and_column_count() {
        let sample = Sample {
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
            ..Sample::default()
        };
        let line = sample.to_csv();
        assert_eq!(Sample::from_csv(&line).unwrap(), sample);
        assert_eq!(line.split(',').count(), SAMPLE_COLUMNS.split(',').count());
        assert!(Sample::from_csv("endpoint0,3").is_none());
    }
}
