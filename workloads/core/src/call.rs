//! One line per call of a function, as CSV. The columns are the public form of raw results.

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

    /// One CSV line without the line end.
    pub fn to_csv(&self) -> String {
        format!(
            "{},{},{},{},{},{},{},{},{},{},{},{}",
            self.endpoint,
            self.function,
            self.id,
            self.bytes,
            self.due_ns,
            self.begun_ns,
            self.sent_ns,
            self.answered_ns,
            self.status,
            u8::from(self.is_cold),
            self.answer_bytes,
            self.pod
        )
    }

    /// Reads a line of [`Call::to_csv`]; `None` if it is not one.
    pub fn from_csv(line: &str) -> Option<Self> {
        let f: Vec<&str> = line.split(',').collect();
        let [
            endpoint,
            function,
            id,
            bytes,
            due,
            begun,
            sent,
            answered,
            status,
            cold,
            answer,
            pod,
        ] = f.as_slice()
        else {
            return None;
        };
        Some(Self {
            endpoint: (*endpoint).to_owned(),
            function: (*function).to_owned(),
            id: id.parse().ok()?,
            bytes: bytes.parse().ok()?,
            due_ns: due.parse().ok()?,
            begun_ns: begun.parse().ok()?,
            sent_ns: sent.parse().ok()?,
            answered_ns: answered.parse().ok()?,
            status: status.parse().ok()?,
            is_cold: *cold == "1",
            answer_bytes: answer.parse().ok()?,
            pod: (*pod).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_round_trip_and_column_count() {
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
        let line = call.to_csv();
        assert_eq!(Call::from_csv(&line).unwrap(), call);
        assert!(call.is_good() && !Call::default().is_good());
        assert_eq!(line.split(',').count(), CALL_COLUMNS.split(',').count());
        assert!(Call::from_csv("endpoint0,image").is_none());
    }
}
