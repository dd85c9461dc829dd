//! From a config to everything that will be done: pure, but for reading the config's file. What can be chosen in a config
//! is declared here, a list and a file each.
//!
//! ```text
//! file ─ read ─> Config ─ planner ─> Plan
//!        │ rules             └ managers, services: what a node needs
//!        └ managers, execution_models, applications: what a config must have
//! ```

pub mod applications;
mod changes;
pub mod execution_models;
mod links;
pub mod managers;
mod nodes;
mod planner;
mod read;
mod rules;
pub mod services;

pub use changes::{LinkRequest, LinkRequests};
pub use links::links_of;
pub use planner::plan;
pub use read::{load, parse};
