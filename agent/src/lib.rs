//! The Continuum agent: a gRPC server in every node that does what the controller asks.
//!
//! ```text
//! server/   the wire: one file per service, requests to domain types, errors to status codes
//! install/  software: trait `Installer`, list `INSTALLERS`
//! network/  emulated links with `tc`
//! broker/   the MQTT broker, a supervised child
//! workload/ runs of applications, supervised children in control groups
//! verify/   what this node and its ways really are, measured when asked
//! metrics/  one sample a second, ten minutes kept
//! machine   what kind of machine this is, and what follows from it
//! process   the only place that starts programs: argv, never a shell
//! ```
//! Invariants: without CA, certificate and key it does not start. It links neither `virt` nor `tch`.
//! Paths from the wire stay below its data directory. Children end when it ends, however it ends.

pub mod broker;
pub mod child;
mod clock;
pub mod config;
pub mod error;
mod files;
mod https;
mod install;
pub mod logs;
mod machine;
mod metrics;
mod network;
pub mod process;
pub mod server;
mod state;
mod store;
mod system;
mod verify;
mod workload;

pub use install::kubeedge_rights;
