//! Numbers about numbers.

mod bins;
mod bootstrap;
mod spread;

pub(crate) use bins::bins;
pub(crate) use bootstrap::{Bootstrap, Difference};
pub(crate) use spread::Spread;
