//! What end-to-end tests share: programs of the workspace, results, and the testbed.

pub mod browser;
pub mod ctl;
pub mod lab;
pub mod namespace;
pub mod process;
pub mod prometheus;
pub mod results;
pub mod shape;
pub mod skip;
pub mod testbed;
pub mod tls_server;
