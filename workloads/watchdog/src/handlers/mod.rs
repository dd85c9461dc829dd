//! What can run behind the watchdog: one file each.

mod environment;
mod files;
mod fork;
mod supervised_server;
mod upstream;

pub use files::Static;
pub use fork::Fork;
pub use upstream::Upstream;
