//! How far a measured number may be from the one that was asked for, by what runs the guests: one file each, with the reason
//! for each number, and whether it was measured or is an estimate. What a measurement itself is uncertain by comes on top, see
//! `judge`.

mod kvm;
mod local;
mod tcg;
mod uml;

pub use kvm::KVM;
pub use local::LOCAL;
pub use tcg::TCG;
pub use uml::UML;

/// All of them.
pub const ALL: [&Tolerances; 4] = [&KVM, &UML, &TCG, &LOCAL];

/// How far off a number may be: the larger of a share of what was asked, and so much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Off {
    /// Of what was asked.
    pub share: f64,
    /// In the number's own unit.
    pub by: f64,
}

impl Off {
    const fn new(share: f64, by: f64) -> Self {
        Self { share, by }
    }

    /// For a number.
    pub fn of(self, asked: f64) -> f64 {
        (self.share * asked).max(self.by)
    }
}

/// Below and above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// How much less.
    pub below: Off,
    /// How much more.
    pub above: Off,
    /// Where the numbers are from.
    pub reason: &'static str,
}

/// Of guests of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// As in results.
    pub name: &'static str,
    /// Median round trip, ms.
    pub round_trip: Tolerance,
    /// Standard deviation of round trips, ms.
    pub jitter: Tolerance,
    /// Percentage points.
    pub loss: Tolerance,
    /// Mbit/s on the wire.
    pub rate: Tolerance,
    /// What is asked above this, Mbit/s, is a ceiling: guests may carry less than it, and no more.
    pub most_rate_mbit: f64,
    /// Share of each core.
    pub processor: Tolerance,
    /// How much less a core may give, as a share of what was asked, where more cores were promised than the host has.
    pub processor_below_if_overcommitted: f64,
    /// MB/s.
    pub disk: Tolerance,
    /// MiB.
    pub memory: Tolerance,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_reason_and_no_kind_is_stricter_than_the_hardware() {
        for one in ALL {
            let all = [
                one.round_trip,
                one.jitter,
                one.loss,
                one.rate,
                one.processor,
                one.disk,
                one.memory,
            ];
            for tolerance in all {
                assert!(tolerance.reason.len() > 20, "{}: {tolerance:?}", one.name);
                assert!(tolerance.below.of(10.0) >= 0.0 && tolerance.above.of(10.0) >= 0.0);
            }
            let kvm = KVM.round_trip.above.of(20.0);
            assert!(one.round_trip.above.of(20.0) >= kvm, "{}", one.name);
        }
    }

    #[test]
    fn the_larger_of_share_and_number_counts() {
        let off = Off::new(0.01, 0.3);
        assert!((off.of(15.0) - 0.3).abs() < 1e-9);
        assert!((off.of(150.0) - 1.5).abs() < 1e-9);
    }
}
