//! From a config to everything that will be done: pure, but for reading the config's file. Managers, services,
//! applications and execution models are declared here; a config's names for them, and providers, are in other crates.
//!
//! ```text
//! file ─ read ─> Config ─ planner ─> Plan
//!        │ rules             └ managers, services: what a node needs
//!        └ managers, execution_models, applications: what a config must have
//! ```

pub mod applications;
mod changes;
pub mod execution_models;
mod idle;
mod links;
pub mod managers;
mod nodes;
mod places;
mod planner;
mod read;
mod rules;
pub mod services;
mod timelines;

pub use changes::{LinkRequest, LinkRequests};
pub use links::links_of;
pub use places::check_places;
pub use planner::plan;
pub use read::{load, parse};
