//! Attributes of qdiscs that the netlink crate has no types for.

use rtnetlink::packet_core::{DefaultNla, Emitable};

/// One after the other, as the kernel reads them.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Behind a structure, as netem has them.
    pub(super) fn behind(structure: Vec<u8>) -> Self {
        Self(structure)
    }

    pub(super) fn with(mut self, kind: u16, value: Vec<u8>) -> Self {
        let attribute = DefaultNla::new(kind, value);
        let begin = self.0.len();
        self.0.resize(begin + attribute.buffer_len(), 0);
        if let Some(place) = self.0.get_mut(begin..) {
            attribute.emit(place);
        }
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Numbers of a structure.
pub(super) fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// `struct tc_ratespec` of whole Ethernet frames, without a table of times.
pub(super) fn rate_spec(bytes_s: u64) -> [u32; 3] {
    const ETHERNET: u8 = 1;
    let rate = u32::try_from(bytes_s).unwrap_or(u32::MAX);
    [u32::from_ne_bytes([0, ETHERNET, 0, 0]), 0, rate]
}

/// The kernel's unit of times in structures: 64 ns.
pub(super) fn ticks(seconds: f64) -> u32 {
    (seconds * 1e9 / 64.0).round() as u32
}

/// Of all numbers that a random one may be.
pub(super) fn probability(share: f64) -> u32 {
    (share * f64::from(u32::MAX)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_a_structure_stays_in_front() {
        let bytes = Attributes::behind(words(&[7]))
            .with(2, vec![1, 2, 3])
            .bytes();
        let header = [7u16.to_ne_bytes(), 2u16.to_ne_bytes()].concat();
        let want = [&words(&[7])[..], &header, &[1, 2, 3, 0]].concat();
        assert_eq!(bytes, want);
    }
}
