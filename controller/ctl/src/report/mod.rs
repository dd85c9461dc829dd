//! What a run says: upstream's tables to the letter, percentiles beside them, and files for later. What an application's
//! own tables hold is beside the application.

mod bench;
mod files;

pub use bench::{Bench, ControllerEvent, NodeMetrics};
pub use files::Place;
