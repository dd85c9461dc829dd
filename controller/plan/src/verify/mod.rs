//! Asked and measured: what is to be measured of a plan, and what a measurement says about it. Pure.
//!
//! ```text
//! plan, links in force ── asked ──> numbers to measure ── (nodes measure) ──> measurements
//! tolerances, host facts ─────────────────────────────── judge, cause ──────> rows with a verdict each
//! ```

mod asked;
mod cause;
mod judge;
pub mod tolerances;

pub use asked::{Way, asked_of_nodes, asked_of_ways, ways};
pub use judge::{best_of, judge, notes};
pub use tolerances::Tolerances;
