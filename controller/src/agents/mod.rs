//! Talking to agents in plain domain types. The wire is known to `grpc.rs` only.

mod grpc;
mod types;

pub use grpc::GrpcAgent;
pub use types::{
    Agent, AppliedLink, ArtifactSource, BrokerSpec, BrokerStats, ClockOffset, Container,
    ExecOutput, Info, InstallStep, MetricsBatch, MetricsSample, NodeEvent, ProbeResult, RunEvent,
    RunEventKind, RunExit, RunStart, StartedRun,
};
