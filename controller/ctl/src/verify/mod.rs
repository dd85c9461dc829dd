//! Whether links and machines are what was asked for: agents measure, and the plan's judge compares.
//!
//! ```text
//! measure ─┬─ pace      how much of everything, for how long (pure)
//!          ├─ ways      round trips, datagrams, bytes between nodes
//!          ├─ machines  cores and disks, a few nodes at a time
//!          └─ host      what spoils numbers meanwhile
//! ```
//! Invariant: nothing that can be measured again stays out of tolerance after one look, and no number is measured beside
//! another that it would disturb.

mod cost;
mod host;
mod kept;
mod machines;
mod measure;
mod pace;
mod ways;

pub use kept::last_measured;
pub use measure::{Scope, verify};

use continuum_model::Measured;

/// One number, without more.
fn plain(value: f64, seconds: f64) -> Measured {
    Measured {
        value,
        samples: 0,
        seconds,
        spread: None,
    }
}
