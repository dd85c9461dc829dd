//! The controller: from one config file to machines, software, links, a run, and a report.
//!
//! ```text
//! cli/          commands, printing (the only place that prints)
//! config/       both spellings -> checked model
//! plan/         config -> nodes, addresses, links, installations (pure)
//! managers/ services/ applications/ models/   one trait, one list, a file each
//! provider/     where machines come from: qemu (libvirt), local
//! agents/       talking to agents; the wire is known to `agents/grpc.rs` only
//! deploy/       up and down: phases, journal of intents
//! bench/        one run: start, watch, collect
//! report/       tables, CSV, result directory
//! state/        what exists: written before it is made
//! ```
//! Invariants: nothing is created before its intent is on disk. Every wait has a deadline and says what it waits
//! for. The controller never links `tch`.

pub mod agents;
pub mod applications;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod deploy;
pub mod error;
pub mod keys;
pub mod managers;
pub mod models;
pub mod plan;
pub mod process;
pub mod progress;
pub mod provider;
pub mod report;
pub mod services;
pub mod state;
