//! What can run behind the watchdog: one file each.

mod fork;
mod upstream;

pub use fork::Fork;
pub use upstream::Upstream;
