//! What a run says: upstream's tables to the letter, percentiles beside them, and files for later. What an application's
//! own tables hold is beside the application.

mod bench;
mod files;
#[cfg(test)]
pub(crate) mod schema;

pub use bench::{Bench, BenchVerification, ControllerEvent, FollowedTrace, NodeMetrics};
pub use files::{CONFIG_FILE, Place, installations_json, links_json};
