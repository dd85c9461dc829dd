//! What applications of the testbed have in common: the trait, the description of a run,
//! the events a run prints, the header that travels with every message, clocks and statistics.
//!
//! A run is one role of one application on one node. The controller writes a [`spec::RunSpec`], the agent
//! starts `continuum-workload run SPEC` with it, and the run prints [`event::Event`]s, one JSON line each.
//!
//! Invariant: this crate is a leaf; it knows neither gRPC nor `tch`.

pub mod application;
pub mod call;
pub mod clock;
pub mod csv_records;
pub mod event;
pub mod header;
pub mod ids;
pub mod photo_sample;
pub mod spec;
pub mod stats;
