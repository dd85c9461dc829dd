//! One sample a second; the last ten minutes are kept, so that several readers can attach at any time.

mod ring;
mod sampler;

pub use ring::{Batch, Event, MetricsRing, Sample};
pub use sampler::run as run_sampler;
