//! Sets of numbers that mostly follow one another, and how they travel: what is missing of a run is told in ranges.

use std::collections::BTreeMap;

/// Ranges that one message may carry; a message about more of them is followed by another one.
const MOST_RANGES: usize = 4096;

/// A set of numbers, kept as ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet(BTreeMap<u64, u64>);

impl IdSet {
    /// Adds a number; `false` if it was in it.
    pub fn insert(&mut self, id: u64) -> bool {
        // Ranges are from their key up to and without their value, so the last number of all has no place in them.
        let Some(mut end) = id.checked_add(1) else {
            return false;
        };
        if self.contains(id) {
            return false;
        }
        if let Some(after) = self.0.remove(&end) {
            end = after;
        }
        match self.0.range_mut(..=id).next_back() {
            Some((_, last)) if *last == id => *last = end,
            _ => {
                self.0.insert(id, end);
            }
        }
        true
    }

    /// Takes a number out; `false` if it was not in it.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some((&start, &end)) = self.0.range(..=id).next_back() else {
            return false;
        };
        if id >= end {
            return false;
        }
        self.0.remove(&start);
        if start < id {
            self.0.insert(start, id);
        }
        if id + 1 < end {
            self.0.insert(id + 1, end);
        }
        true
    }

    /// Whether a number is in it.
    pub fn contains(&self, id: u64) -> bool {
        let before = self.0.range(..=id).next_back();
        before.is_some_and(|(_, end)| id < *end)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(start, end)| *start..*end)
    }

    pub fn len(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest of them as bytes, as many ranges as one message may have: start and length, big endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (start, end) in self.0.iter().take(MOST_RANGES) {
            out.extend_from_slice(&start.to_be_bytes());
            out.extend_from_slice(&(end - start).to_be_bytes());
        }
        out
    }

    /// Reads [`Self::encode`]. `None` if it is something else, or more than `most` numbers: who asks cannot make the
    /// other side count for ever.
    pub fn decode(bytes: &[u8], most: u64) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() || pairs.len() > MOST_RANGES {
            return None;
        }
        let (mut set, mut count) = (BTreeMap::new(), 0_u64);
        let mut before = None;
        for pair in pairs {
            let (start, length) = pair.split_at(8);
            let start = u64::from_be_bytes(start.try_into().ok()?);
            let length = u64::from_be_bytes(length.try_into().ok()?);
            let end = start.checked_add(length)?;
            count = count.checked_add(length)?;
            if length == 0 || count > most || before.is_some_and(|before| start <= before) {
                return None;
            }
            before = Some(end);
            set.insert(start, end);
        }
        Some(Self(set))
    }
}

impl FromIterator<u64> for IdSet {
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn does_what_a_plain_set_does(steps in proptest::collection::vec((any::<bool>(), 0_u64..40), 0..200)) {
            let (mut set, mut plain) = (IdSet::default(), BTreeSet::new());
            for (add, id) in steps {
                if add {
                    prop_assert_eq!(set.insert(id), plain.insert(id));
                } else {
                    prop_assert_eq!(set.remove(id), plain.remove(&id));
                }
                prop_assert_eq!(set.contains(id), plain.contains(&id));
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), plain.len() as u64);
            // Neighbours are one range, so a set that is the same has the same bytes.
            prop_assert_eq!(IdSet::decode(&set.encode(), 1000), Some(set));
        }

        #[test]
        fn any_bytes_are_a_set_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(set) = IdSet::decode(&bytes, 1000) {
                prop_assert!(set.len() <= 1000);
            }
        }
    }

    #[test]
    fn the_last_number_of_all_has_no_place() {
        let mut set = IdSet::default();
        assert!(!set.insert(u64::MAX) && set.is_empty());
        let endless = [0_u64.to_be_bytes(), u64::MAX.to_be_bytes()].concat();
        assert_eq!(IdSet::decode(&endless, 1000), None);
    }
}
