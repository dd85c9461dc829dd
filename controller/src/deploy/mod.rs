//! `up` and `down`.
//!
//! ```text
//! config ─ check ─ preflight ─┬─ claim addresses ─ infrastructure ─ software ─ network ─ up
//!                             └─ refused (exit 5): nothing was made
//! ```
//! Every phase is harmless to repeat: `up` of what is up changes nothing, `up` of what failed goes on there.

mod cluster;
mod down;
mod files;
mod grow;
mod infrastructure;
mod links;
mod network;
mod preflight;
mod software;
mod up;
mod versions;

pub use cluster::{all_files, image_archive, workload_image};
pub use down::{down, sweep_name};
pub use files::{PlannedFile, planned_files};
pub use grow::{align_provider, grows_to};
pub use links::{change_link, check_places, link_changes, restore_links};
pub use network::apply_network;
pub use preflight::preflight;
pub use software::bring_images;
pub use up::{Planned, Up, connect_all, difference, open, plan_of, up};
