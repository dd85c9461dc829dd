//! One sample a second; the last ten minutes are kept, so that several readers can attach at any time.

mod ring;
mod sampler;

pub(crate) use ring::MetricsRing;
pub(crate) use sampler::run as run_sampler;
