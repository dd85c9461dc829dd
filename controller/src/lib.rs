//! The controller: from one config file to machines, software, links, a run, and a report.
//!
//! ```text
//! cli/                commands, printing (the only place that prints)
//! bench/   report/    one run: start, watch, collect; its result directory
//! deploy/             up and down: phases, journal of intents, execution models
//! provider/           where machines come from: qemu (libvirt), uml, local
//! cluster/            what is asked of a live cluster
//! artifacts/          files that nodes get
//! agents/             talking to agents; the wire is known to `agents/grpc` only
//! context  state/  keys/  progress  process  error
//!                     what exists, written before it is made; keys; what every command works with
//! plan/               config -> nodes, addresses, links, installations, runs (pure): managers, services, applications,
//!                     execution models, each one trait, one list, a file each
//! config/             both spellings -> checked options
//! model/              words that all the others use
//! ```
//! A module uses those below it only.
//!
//! Invariants: nothing is created before its intent is on disk. Every wait has a deadline and says what it waits
//! for. The controller never links `tch`.

pub mod agents;
pub mod artifacts;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod context;
pub mod deploy;
pub mod error;
pub mod keys;
pub mod model;
pub mod plan;
pub mod process;
pub mod progress;
pub mod provider;
pub mod report;
pub mod state;
