//! A gateway and provider for functions on Kubernetes. It speaks `OpenFaaS`'s REST API, and keeps no state of its own:
//! functions, their replicas and calls that wait are objects of the cluster.
//!
//! ```text
//! caller --> routes/invoke --> registry (watched: functions and their pods) --> proxy --> a replica
//!                 | none ready: scale from zero, hold the request
//! scaler (once a second): requests in flight or per second --> replicas
//! /metrics --> usage (every five seconds at most): kubelets --> CPU and memory of functions
//! routes/queue --> a Secret per call --> queue/worker --> proxy --> callback
//! ```

mod auth;
pub mod config;
mod error;
mod functions;
pub mod kubernetes;
mod metrics;
mod proxy;
mod queue;
mod registry;
mod routes;
mod scaler;
mod server;
mod usage;

pub use server::serve;
