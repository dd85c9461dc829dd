//! One run of an application on a live deployment: workers first, endpoints when those are ready, then results.

mod boots;
mod collect;
mod functions;
mod judge;
mod offsets;
mod places;
mod run;
mod runner;
mod stage;
mod timeline;
mod warm_up;
mod watch;

pub use collect::NodeMetrics;
pub use functions::FunctionSample;
pub use run::{Bench, bench};
pub use runner::Runner;
pub use stage::photos_of;
pub use timeline::Happening;
