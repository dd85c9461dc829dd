//! Words that every part of the controller uses: nodes, links, plans, runs, and what is measured. Types only: nothing here
//! reads a file or asks anybody.

mod address;
mod clock;
mod clock_track;
mod cluster_look;
mod deployment_name;
mod facts;
mod link;
mod live_run;
mod measured_number;
mod metrics;
mod node;
mod node_run;
mod photo_times;
mod plan;
mod pod;
mod prediction;
mod report;
mod run;
mod setting;
pub mod stage;
mod table;
mod tier;
mod time;
mod trace;
mod verify;

pub use address::{Prefix, Prefixes, mac};
pub use clock::{ClockOffset, ClockPair, Clocks, clock_offset};
pub use clock_track::{ClockLook, ClockStep, ClockTrack};
pub use cluster_look::{ClusterEvent, ClusterLook, ClusterNode, NamespacePods};
pub use deployment_name::{LONGEST_NAME, is_name};
pub use facts::{Acceleration, ComponentFile, Facts, WrongFact};
pub use link::{Distribution, Link, LinkClass, Peer};
pub use live_run::{LiveEndpoint, LiveRun, TimelineMark};
pub use measured_number::{MeasuredNumber, with_newer};
pub use metrics::{FunctionSample, MetricsBatch, MetricsSample, NodeEvent};
pub use node::{AGENT_PORT, BROKER_PORT, GUEST_DATA_DIR, NodePlan, Role, node_name};
pub use node_run::{NodeRun, RunExit, StartedRun};
pub use photo_times::PhotoTimes;
pub use plan::{Component, Installation, MAX_PAYLOAD_BYTES, Plan};
pub use pod::{NodeTimes, PodRecord};
pub use prediction::StagePrediction;
pub use report::{Report, Validity};
pub use run::{Phase, RunPlan, UserContainer, UserImage};
pub use setting::{LinkSettings, SETTINGS, Setting, SettingKind};
pub use stage::{END_TO_END, OF_TWO_CLOCKS, Way, is_classified, is_warm_up, stages_ns};
pub use table::{Cell, Table};
pub use tier::{Mode, PerTier, Tier, TierPair};
pub use time::{
    ControllerClock, ControllerTime, EndpointTime, NodeClock, NodeTime, UnixTime, WorkerTime,
};
pub use trace::{Trace, TraceProgress, TraceStep};
pub use verify::{
    Asked, HostFacts, Measured, Measurements, Provable, Quantity, Spread, Subject, Verdict,
    Verification, VerifyMode, VerifyRow, digits,
};
