//! What end-to-end tests share: programs of the workspace, and the testbed.

pub mod process;
pub mod testbed;
