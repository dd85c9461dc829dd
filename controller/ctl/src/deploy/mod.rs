//! `up` and `down`.
//!
//! ```text
//! config ─ check ─ preflight ─┬─ claim addresses ─ infrastructure ─ software ─ network ─ up
//!                             └─ refused (exit 5): nothing was made
//! ```
//! Every phase is harmless to repeat: `up` of what is up changes nothing, `up` of what failed goes on there.

mod clocks;
mod cluster;
mod difference;
mod down;
pub mod execution_models;
mod files;
mod infrastructure;
mod links;
mod network;
mod preflight;
mod software;
pub mod timings;
mod unready;
mod up;
mod upgrade;
mod versions;

pub use clocks::set_clocks;
pub use difference::difference;
pub use down::{destroy_orphans_of, down};
pub use files::{PlannedFile, planned_files};
pub use links::{
    change_link, check_links, check_places, end_timelines, link_requests, moved_means,
};
pub use preflight::preflight;
pub use unready::unready_nodes;
pub use up::{Planned, Up, plan_of, up};
pub use upgrade::{align_provider, can_upgrade_in_place};
