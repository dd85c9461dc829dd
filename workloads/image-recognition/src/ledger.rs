//! What the worker knows of the photos of each endpoint: each counts once, however often it comes, and its answer is
//! kept for whoever did not get it.

use continuum_workload_core::{header::Header, ids::IdSet};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Answers kept for one endpoint. A photo whose answer is older, and which is asked for, is classified once more.
const ANSWERS_KEPT: usize = 100_000;
/// An endpoint that has all its answers and is silent for so long has gone without saying so.
const GONE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Known {
    run: u64,
    seen: IdSet,
    answered: IdSet,
    dropped: IdSet,
    answers: BTreeMap<u64, Vec<u8>>,
    has_ended: bool,
    heard: Option<Instant>,
}

/// What to say to an endpoint that asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Messages that it did not get.
    pub(crate) answers: Vec<Vec<u8>>,
    /// There was no room for these.
    pub(crate) dropped: Vec<u64>,
    /// These never came.
    pub(crate) missing: IdSet,
}

pub(crate) struct Ledger {
    endpoints: BTreeMap<String, Known>,
    /// Photos that each endpoint sends.
    photos: Option<u64>,
}

impl Ledger {
    /// For endpoints that are expected; others may send, but nobody waits for them.
    pub(crate) fn new(endpoints: &[String], photos: Option<u64>) -> Self {
        let known = |name: &String| (name.clone(), Known::default());
        Self {
            endpoints: endpoints.iter().map(known).collect(),
            photos,
        }
    }

    /// `None` = something that is left over from an earlier run of the endpoint.
    fn known(&mut self, endpoint: &str, run: u64) -> Option<&mut Known> {
        let known = self.endpoints.entry(endpoint.to_owned()).or_default();
        if run < known.run {
            return None;
        }
        if run > known.run {
            *known = Known {
                run,
                ..Known::default()
            };
        }
        known.heard = Some(Instant::now());
        Some(known)
    }

    /// A photo came; `false` if it is known.
    pub(crate) fn came(&mut self, header: &Header) -> bool {
        let known = self.known(&header.endpoint, header.run);
        known.is_some_and(|known| known.seen.insert(header.id))
    }

    /// There was no room for it.
    pub(crate) fn dropped(&mut self, header: &Header) {
        if let Some(known) = self.known(&header.endpoint, header.run) {
            known.dropped.insert(header.id);
        }
    }

    /// It was answered with this message.
    pub(crate) fn answered(&mut self, header: &Header, message: &[u8]) {
        // An answer is no sign of its endpoint, so when that was heard stays as it is.
        let known = self.endpoints.entry(header.endpoint.clone()).or_default();
        if known.run != header.run {
            return;
        }
        known.answered.insert(header.id);
        known.answers.insert(header.id, message.to_vec());
        if known.answers.len() > ANSWERS_KEPT {
            known.answers.pop_first();
        }
    }

    /// An endpoint has no answer for these.
    pub(crate) fn asked(&mut self, endpoint: &str, run: u64, ids: &IdSet) -> Told {
        let mut told = Told::default();
        let Some(known) = self.known(endpoint, run) else {
            return told;
        };
        for id in ids.iter() {
            if let Some(answer) = known.answers.get(&id) {
                told.answers.push(answer.clone());
            } else if known.dropped.contains(id) {
                told.dropped.push(id);
            } else if known.answered.remove(id) || !known.seen.contains(id) {
                known.seen.remove(id);
                told.missing.insert(id);
            }
        }
        told
    }

    /// An endpoint wants nothing any more.
    pub(crate) fn ended(&mut self, endpoint: &str, run: u64) {
        if let Some(known) = self.known(endpoint, run) {
            known.has_ended = true;
        }
    }

    /// Expected endpoints that may still want something.
    pub(crate) fn open(&self) -> Vec<String> {
        let is_done = |known: &Known| {
            let dealt_with = known.answered.len() + known.dropped.len();
            let has_all = self.photos.is_some_and(|photos| dealt_with >= photos);
            let is_silent = known.heard.is_some_and(|at| at.elapsed() >= GONE);
            known.has_ended || (has_all && is_silent)
        };
        let open = self.endpoints.iter().filter(|(_, known)| !is_done(known));
        open.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_workload_core::header::Kind;

    fn photo(id: u64) -> Header {
        Header::about(Kind::Photo, "endpoint0", 1, id)
    }

    #[test]
    fn a_photo_counts_once_and_its_answer_is_said_again() {
        let mut ledger = Ledger::new(&["endpoint0".to_owned()], None);
        assert!(ledger.came(&photo(0)) && ledger.came(&photo(1)) && ledger.came(&photo(3)));
        assert!(!ledger.came(&photo(1)), "sent again");
        ledger.answered(&photo(0), b"cat");
        ledger.dropped(&photo(3));
        let told = ledger.asked("endpoint0", 1, &(0..5).collect());
        let want = Told {
            answers: vec![b"cat".to_vec()],
            dropped: vec![3],
            missing: [2, 4].into_iter().collect(),
        };
        // Photo 1 is here and has no answer yet: nothing to say about it.
        assert_eq!(told, want);
        assert!(
            ledger.came(&photo(2)),
            "what was missing is new when it comes"
        );
    }

    #[test]
    fn an_answer_that_is_kept_no_more_is_made_again() {
        let mut ledger = Ledger::new(&[], None);
        for id in 0..=ANSWERS_KEPT as u64 {
            ledger.came(&photo(id));
            ledger.answered(&photo(id), b"cat");
        }
        let told = ledger.asked("endpoint0", 1, &(0..2).collect());
        assert_eq!(told.missing.iter().collect::<Vec<_>>(), [0]);
        assert_eq!(told.answers.len(), 1);
        assert!(ledger.came(&photo(0)));
    }

    #[test]
    fn an_endpoint_is_waited_for_until_it_says_so_or_has_all_and_is_silent() {
        let mut ledger = Ledger::new(&["endpoint0".to_owned()], Some(1));
        assert_eq!(ledger.open(), ["endpoint0"]);
        ledger.came(&photo(0));
        ledger.answered(&photo(0), b"cat");
        assert_eq!(ledger.open(), ["endpoint0"], "its answer may be lost");
        let long_ago = Instant::now().checked_sub(GONE);
        if let Some(known) = ledger.endpoints.get_mut("endpoint0") {
            known.heard = long_ago;
        }
        assert!(ledger.open().is_empty());
        let mut ledger = Ledger::new(&["endpoint0".to_owned()], None);
        ledger.ended("endpoint0", 1);
        assert!(ledger.open().is_empty());
    }

    #[test]
    fn what_an_earlier_run_left_is_nobodys() {
        let mut ledger = Ledger::new(&["endpoint0".to_owned()], None);
        let of = |run, id| Header { run, ..photo(id) };
        assert!(ledger.came(&of(1, 0)));
        ledger.answered(&of(1, 0), b"cat");
        assert!(ledger.came(&of(2, 0)), "the same number, and another photo");
        assert!(!ledger.came(&of(1, 1)));
        ledger.answered(&of(1, 1), b"dog");
        ledger.ended("endpoint0", 1);
        assert_eq!(ledger.open(), ["endpoint0"]);
        let told = ledger.asked("endpoint0", 2, &(0..2).collect());
        assert!(
            told.answers.is_empty() && told.missing.contains(1),
            "{told:?}"
        );
    }
}
