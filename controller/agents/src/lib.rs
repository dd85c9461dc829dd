//! Talking to agents in plain domain types. The wire is known to `grpc/` only.

pub mod error;
mod grpc;
mod measure;
mod runner;
mod types;

pub use grpc::GrpcAgent;
pub use measure::{
    Condition, CoreShare, DiskRates, Measure, OpenPorts, TrainResult, TrainSpec, TransferSpec,
    Transferred,
};
pub use runner::{OUT_DIR, Runner, workload_arguments};
pub use types::{
    Agent, AppliedLink, AppliedTrace, ArtifactSource, BrokerSpec, BrokerStats, Container,
    ExecOutput, Info, InstallStep, MetricsFrom, ProbeResult, RunEvent, RunEventKind, RunStart,
    cut_off,
};
