//! From a config to everything that will be done: pure, but for reading the config's file. Managers, services,
//! applications and execution models are declared here; a config's names for them, and providers, are in other crates.
//!
//! ```text
//! file ─ config_file ─> Config ─ planner ─> Plan
//!        │ rules                    └ managers, services: what a node needs
//!        └ managers, execution_models, applications: what a config must have
//! ```

pub mod applications;
mod config_file;
pub mod execution_models;
mod hops;
mod link_changes;
mod link_ends;
mod links;
pub mod managers;
mod nodes;
mod not_yet;
mod planner;
mod rules;
pub mod services;
mod timelines;
mod unused_options;
pub mod verify;

pub use config_file::{load, parse};
pub use hops::{Hop, Hops, NOT_EMULATED};
pub use link_changes::{LinkRequest, LinkRequests};
pub use link_ends::check_places;
pub use links::links_of;
pub use not_yet::not_yet;
pub use planner::plan;
