//! The header in front of every message between endpoint and worker.
//!
//! ```text
//! 0      4         5      6      7        8          8+E   ...
//! "CTM1" version=2 kind   reserved len(E) endpoint   id u64, due i64, sent i64, run u64 | body
//! ```
//! All numbers are big endian; times are nanoseconds since 1970 by the endpoint's clock. A reply carries the
//! same header and then [`WorkerStages`] and the classes found. Nothing is allocated from a length in the header.
//!
//! ```text
//! endpoint                                     worker
//!   Photo ------------------------------------> once for each id, however often it comes
//!   <------------------------------------ Reply, or Dropped
//!   Ask (ids without an answer) --------------> says again what it has said
//!   <--------------------- Missing (of those, the ids that never came)
//!   <---------------------------------- Hello   its connection was made anew: what is missing?
//!   End --------------------------------------> sent again until it is heard
//!   <------------------------------------ End
//! ```

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A photo to classify.
    Photo,
    /// The answer to one.
    Reply,
    /// The endpoint wants nothing any more; the worker says it back.
    End,
    /// The endpoint has no answer for these: an [`IdSet`](crate::ids::IdSet).
    Ask,
    /// The worker's answer to that: those of them that it never got.
    Missing,
    /// The worker had no room for a photo.
    Dropped,
    /// The worker's connection was made anew.
    Hello,
}

impl Kind {
    const ALL: [(u8, Self); 7] = [
        (1, Self::Photo),
        (2, Self::Reply),
        (3, Self::End),
        (4, Self::Ask),
        (5, Self::Missing),
        (6, Self::Dropped),
        (7, Self::Hello),
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(b, kind)| (b == byte).then_some(kind))
    }

    fn byte(self) -> u8 {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(b, kind)| (kind == self).then_some(b))
            .unwrap_or_default()
    }
}

/// Identity and times of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// Name of the endpoint, at most 255 bytes.
    pub endpoint: String,
    /// Number of the photo at its endpoint, from 0.
    pub id: u64,
    /// When it should have been sent.
    pub due_unix_ns: i64,
    /// When it was handed to the network.
    pub sent_unix_ns: i64,
    /// Which run of the endpoint it is of; a later one has a higher number. What is left over from an earlier one is
    /// known by it.
    pub run: u64,
}

/// When the worker did what, by the worker's clock, nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WorkerStages {
    /// Came from the broker.
    pub received_unix_ns: i64,
    /// Taken from the queue by a classifier.
    pub dequeued_unix_ns: i64,
    /// JPEG decoded and scaled.
    pub decoded_unix_ns: i64,
    pub classified_unix_ns: i64,
    /// Reply handed to the network.
    pub replied_unix_ns: i64,
}

/// One class with its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Index in the label list.
    pub class: u16,
    /// 0..1.
    pub probability: f32,
}

/// What the worker says about one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub stages: WorkerStages,
    /// Best first, at most 255; empty = the photo could not be used.
    pub scores: Vec<Score>,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Ends too early.
    #[error("message of {have} bytes ends inside its header")]
    Truncated {
        /// Length of the message.
        have: usize,
    },
    #[error("message does not begin with the magic bytes")]
    Magic,
    #[error("message has version {0}, this program speaks {VERSION}")]
    Version(u8),
    #[error("message has unknown kind {0}")]
    Kind(u8),
    /// Endpoint name is not UTF-8.
    #[error("endpoint name is not UTF-8")]
    Name,
}

const MAGIC: &[u8; 4] = b"CTM1";
const VERSION: u8 = 2;

struct Cursor<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], HeaderError> {
        let (head, tail) = self
            .rest
            .split_at_checked(n)
            .ok_or(HeaderError::Truncated { have: self.len })?;
        self.rest = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
}

impl Header {
    /// A message about photos that is none.
    pub fn about(kind: Kind, endpoint: &str, run: u64, id: u64) -> Self {
        Self {
            kind,
            endpoint: endpoint.to_owned(),
            id,
            due_unix_ns: 0,
            sent_unix_ns: 0,
            run,
        }
    }

    /// Header followed by `body`.
    pub fn encode(&self, body: &[u8]) -> Vec<u8> {
        let name = self.endpoint.as_bytes();
        let name = name.get(..name.len().min(255)).unwrap_or_default();
        let mut out = Vec::with_capacity(40 + name.len() + body.len());
        out.extend_from_slice(MAGIC);
        let kind = self.kind.byte();
        out.extend_from_slice(&[VERSION, kind, 0, name.len() as u8]);
        out.extend_from_slice(name);
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&self.due_unix_ns.to_be_bytes());
        out.extend_from_slice(&self.sent_unix_ns.to_be_bytes());
        out.extend_from_slice(&self.run.to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    /// Writes another time of sending into a message that is made already: when it was made is not when it could go.
    pub fn set_sent(message: &mut [u8], sent_unix_ns: i64) {
        let name = message.get(7).copied().map_or(0, usize::from);
        // Magic and fixed part, the name, number and due time are before it.
        let at = 8 + name + 16;
        if let Some(place) = message.get_mut(at..at + 8) {
            place.copy_from_slice(&sent_unix_ns.to_be_bytes());
        }
    }

    /// Splits a message into header and body.
    pub fn decode(message: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let mut cursor = Cursor {
            rest: message,
            len: message.len(),
        };
        if &cursor.array::<4>()? != MAGIC {
            return Err(HeaderError::Magic);
        }
        let [version, kind, _reserved, name_len] = cursor.array::<4>()?;
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let kind = Kind::from_byte(kind).ok_or(HeaderError::Kind(kind))?;
        let endpoint = std::str::from_utf8(cursor.take(usize::from(name_len))?)
            .map_err(|_| HeaderError::Name)?
            .to_owned();
        let header = Self {
            kind,
            endpoint,
            id: u64::from_be_bytes(cursor.array()?),
            due_unix_ns: i64::from_be_bytes(cursor.array()?),
            sent_unix_ns: i64::from_be_bytes(cursor.array()?),
            run: u64::from_be_bytes(cursor.array()?),
        };
        Ok((header, cursor.rest))
    }
}

impl Reply {
    /// The body of a reply.
    pub fn encode(&self) -> Vec<u8> {
        let s = &self.stages;
        let mut out = Vec::with_capacity(41 + 6 * self.scores.len());
        for time in [
            s.received_unix_ns,
            s.dequeued_unix_ns,
            s.decoded_unix_ns,
            s.classified_unix_ns,
            s.replied_unix_ns,
        ] {
            out.extend_from_slice(&time.to_be_bytes());
        }
        out.push(self.scores.len().min(255) as u8);
        for score in self.scores.iter().take(255) {
            out.extend_from_slice(&score.class.to_be_bytes());
            out.extend_from_slice(&score.probability.to_be_bytes());
        }
        out
    }

    /// Reads the body of a reply.
    pub fn decode(body: &[u8]) -> Result<Self, HeaderError> {
        let mut cursor = Cursor {
            rest: body,
            len: body.len(),
        };
        let stages = WorkerStages {
            received_unix_ns: i64::from_be_bytes(cursor.array()?),
            dequeued_unix_ns: i64::from_be_bytes(cursor.array()?),
            decoded_unix_ns: i64::from_be_bytes(cursor.array()?),
            classified_unix_ns: i64::from_be_bytes(cursor.array()?),
            replied_unix_ns: i64::from_be_bytes(cursor.array()?),
        };
        let [count] = cursor.array()?;
        let mut scores = Vec::new();
        for _ in 0..count {
            scores.push(Score {
                class: u16::from_be_bytes(cursor.array()?),
                probability: f32::from_be_bytes(cursor.array()?),
            });
        }
        Ok(Self { stages, scores })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            // Must not panic, whatever comes in.
            let _checked = Header::decode(&bytes).is_ok();
            let _checked = Reply::decode(&bytes).is_ok();
        }

        #[test]
        fn decode_inverts_encode(endpoint in "[a-z0-9]{0,40}", id: u64, due: i64, sent: i64, run: u64, body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let header = Header { kind: Kind::Photo, endpoint, id, due_unix_ns: due, sent_unix_ns: sent, run };
            let bytes = header.encode(&body);
            let (back, rest) = Header::decode(&bytes).unwrap();
            prop_assert_eq!(&back, &header);
            prop_assert_eq!(rest, &body[..]);
            let mut later = bytes.clone();
            Header::set_sent(&mut later, 77);
            prop_assert_eq!(later, Header { sent_unix_ns: 77, ..header }.encode(&body));
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let header = Header {
            kind: Kind::End,
            endpoint: "endpoint0".into(),
            id: 7,
            due_unix_ns: 1,
            sent_unix_ns: 2,
            run: 3,
        };
        let bytes = header.encode(&[]);
        for n in 0..bytes.len() {
            assert!(Header::decode(&bytes[..n]).is_err(), "{n}");
        }
        let reply = Reply {
            stages: WorkerStages::default(),
            scores: vec![Score {
                class: 281,
                probability: 0.5,
            }],
        };
        assert_eq!(Reply::decode(&reply.encode()).unwrap(), reply);
    }

    #[test]
    fn foreign_messages_are_named() {
        assert_eq!(Header::decode(b"JFIF....").unwrap_err(), HeaderError::Magic);
        assert_eq!(
            Header::decode(b"CTM1\x09\x01\0\0").unwrap_err(),
            HeaderError::Version(9)
        );
        assert_eq!(
            Header::decode(b"CTM1\x02\x09\0\0").unwrap_err(),
            HeaderError::Kind(9)
        );
    }
}
