//! What the controller keeps on the machine it runs on, and what every command works with.
//!
//! Invariants: nothing is created before its intent is on disk ([`state`]); keys never leave the deployment's directory but
//! to the node that they are for.

pub mod context;
pub mod error;
pub mod exit;
pub mod keys;
pub mod process;
pub mod progress;
pub mod state;
