//! What can run behind the watchdog: one file each.

mod environment;
mod files;
mod fork;
mod keep;
mod upstream;

pub use files::Static;
pub use fork::Fork;
pub use upstream::Upstream;
