//! One line per call of a function, as CSV. The columns are the public form of raw results.

use crate::record::{csv_record, csv_records};

/// Columns of `calls.csv`; times are nanoseconds since 1970 by the endpoint's clock.
pub const CALL_COLUMNS: &str = "endpoint,function,id,bytes,due_ns,begun_ns,sent_ns,answered_ns,status,is_cold,answer_bytes,pod";

/// Everything known about one call at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Endpoint that made it.
    pub endpoint: String,
    /// Function.
    pub function: String,
    /// Its number there.
    pub id: u64,
    /// Size of its body.
    pub bytes: u64,
    /// When it was due.
    pub due_ns: i64,
    /// When the endpoint began with it.
    pub begun_ns: i64,
    /// When it was handed to the network.
    pub sent_ns: i64,
    /// When the whole answer was there; 0 = never.
    pub answered_ns: i64,
    /// Of the answer; 0 = there was none.
    pub status: u16,
    /// It waited for a replica to start.
    pub is_cold: bool,
    /// Size of the answer's body.
    pub answer_bytes: u64,
    /// Replica that answered.
    pub pod: String,
}

impl Call {
    /// Whether it was answered as it should be.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// One CSV record with its line end.
    pub fn to_csv(&self) -> String {
        csv_record([
            self.endpoint.clone(),
            self.function.clone(),
            self.id.to_string(),
            self.bytes.to_string(),
            self.due_ns.to_string(),
            self.begun_ns.to_string(),
            self.sent_ns.to_string(),
            self.answered_ns.to_string(),
            self.status.to_string(),
            u8::from(self.is_cold).to_string(),
            self.answer_bytes.to_string(),
            self.pod.clone(),
        ])
    }

    fn from_record(record: &csv::StringRecord) -> Option<Self> {
        fn cell<T: std::str::FromStr>(record: &csv::StringRecord, at: usize) -> Option<T> {
            record.get(at)?.parse().ok()
        }
        if record.len() != CALL_COLUMNS.split(',').count() {
            return None;
        }
        Some(Self {
            endpoint: cell(record, 0)?,
            function: cell(record, 1)?,
            id: cell(record, 2)?,
            bytes: cell(record, 3)?,
            due_ns: cell(record, 4)?,
            begun_ns: cell(record, 5)?,
            sent_ns: cell(record, 6)?,
            answered_ns: cell(record, 7)?,
            status: cell(record, 8)?,
            is_cold: record.get(9)? == "1",
            answer_bytes: cell(record, 10)?,
            pod: cell(record, 11)?,
        })
    }

    /// Reads a file of records, and what of it is none.
    pub fn read(text: &str) -> (Vec<Self>, Vec<String>) {
        let (records, mut bad) = csv_records(text);
        let mut calls = Vec::new();
        for record in records {
            match Self::from_record(&record) {
                Some(call) => calls.push(call),
                None => bad.push(record.iter().collect::<Vec<_>>().join(",")),
            }
        }
        (calls, bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_what_is_none_is_named() {
        let call = Call {
            endpoint: "endpoint0".into(),
            function: "image".into(),
            id: 4,
            answered_ns: 9,
            status: 200,
            is_cold: true,
            pod: "image-5d".into(),
            ..Call::default()
        };
        let text = format!("{CALL_COLUMNS}\n{}endpoint0,image\n", call.to_csv());
        assert!(call.is_good() && !Call::default().is_good());
        assert_eq!(
            Call::read(&text),
            (vec![call], vec!["endpoint0,image".into()])
        );
    }
}
