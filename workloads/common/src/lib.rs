//! What programs on the controller and in nodes share.

pub mod error;
pub mod files;
pub mod process;
pub mod user;
pub mod wait;
