//! Talking to agents in plain domain types. The wire is known to `grpc/` only.

pub mod error;
mod grpc;
mod runner;
mod types;

pub use grpc::GrpcAgent;
pub use runner::{OUT_DIR, Runner, workload_arguments};
pub use types::{
    Agent, AppliedLink, AppliedTrace, ArtifactSource, BrokerSpec, BrokerStats, Container,
    ExecOutput, Info, InstallStep, MetricsFrom, ProbeResult, RunEvent, RunEventKind, RunStart,
    cut_off,
};
