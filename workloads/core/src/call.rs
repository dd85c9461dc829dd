//! One line per call of a function, as CSV. The columns are the public form of raw results.

use crate::csv_records::{read_records, to_record};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Columns of `calls.csv`; times are nanoseconds since 1970 by the endpoint's clock.
pub const CALL_COLUMNS: &str = "endpoint,function,id,bytes,due_ns,begun_ns,sent_ns,answered_ns,status,is_cold,answer_bytes,pod";

/// Everything known about one call at the end of a run; a record of `calls.csv` has these in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Endpoint that made it.
    pub endpoint: String,
    pub function: String,
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
    #[serde(serialize_with = "as_digit", deserialize_with = "from_digit")]
    pub is_cold: bool,
    /// Size of the answer's body.
    pub answer_bytes: u64,
    /// Replica that answered.
    pub pod: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn as_digit<S: Serializer>(yes: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*yes))
}

fn from_digit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    u8::deserialize(deserializer).map(|digit| digit == 1)
}

impl Call {
    /// One CSV record with its line end.
    pub fn to_csv(&self) -> String {
        to_record(self)
    }

    /// Reads a file of records, and what of it is none.
    pub fn read(text: &str) -> (Vec<Self>, Vec<String>) {
        read_records(text, CALL_COLUMNS)
    }

    /// Whether it was answered as it should be.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_what_is_none_is_named() {
        let call = Call {
            endpoint: "endpoint0".into(),
            function: "a,\"b\"\nc".into(),
            id: 4,
            answered_ns: 9,
            status: 200,
            is_cold: true,
            pod: "image-5d".into(),
            ..Call::default()
        };
        let text = format!("{CALL_COLUMNS}\n{}endpoint0,image\n", call.to_csv());
        assert!(
            text.contains("\nendpoint0,\"a,\"\"b\"\"\nc\",4,0,0,0,0,9,200,1,0,image-5d\n"),
            "{text}"
        );
        assert!(call.is_good() && !Call::default().is_good());
        assert_eq!(
            Call::read(&text),
            (vec![call], vec!["endpoint0,image".into()])
        );
    }
}
