//! What the controller asks of an agent.

use continuum_host::error::Error;
use continuum_model::{
    ClockOffset, Link, LinkClass, MetricsBatch, MetricsSample, NodeTime, Peer, RunExit, StartedRun,
    TraceProgress,
};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tokio::sync::mpsc;

/// Who an agent is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Info {
    pub node: String,
    pub deployment_id: String,
    pub agent_version: String,
    /// Host name.
    pub hostname: String,
    /// Operating system.
    pub os: String,
    pub kernel: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// Since boot.
    pub uptime_s: u64,
    /// Changes with every boot.
    pub boot_id: String,
    /// Of the agent; changes when it was started again.
    pub pid: u32,
    /// What it can do.
    pub capabilities: Vec<String>,
    pub components: Vec<String>,
}

/// Capability of agents that hand standard input to programs: older ones drop it.
const TAKES_INPUT: &str = "exec-stdin";

impl Info {
    /// Whether a program that it runs gets standard input.
    pub fn takes_input(&self) -> bool {
        self.capabilities.iter().any(|name| name == TAKES_INPUT)
    }

    /// Names this life of the agent on this boot of its machine.
    pub fn boot(&self) -> String {
        format!("{} {}", self.boot_id, self.pid)
    }
}

#[derive(Debug, Clone, Default)]
pub struct ExecOutput {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Its deadline passed.
    pub timed_out: bool,
    /// Output beyond the agent's limit, not sent.
    pub dropped_bytes: u64,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// A file to bring to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactSource {
    pub name: String,
    pub sha256: String,
    pub size_bytes: u64,
    /// Where it lies here.
    pub path: PathBuf,
    /// For an archive of a container image, `NAME@DIGEST` of that image: a node that has it needs no archive.
    pub image: Option<String>,
}

impl ArtifactSource {
    /// The image's name as pods and runtimes use it, without its digest; empty for anything else.
    pub fn reference(&self) -> &str {
        let full = self.image.as_deref().unwrap_or_default();
        full.split('@').next().unwrap_or_default()
    }
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct InstallStep {
    pub step: String,
    /// `running`, `done`, `unchanged`.
    pub state: &'static str,
    /// In a few words.
    pub detail: String,
}

#[derive(Debug, Clone)]
pub struct BrokerSpec {
    /// `rumqttd` or `mosquitto`.
    pub backend: String,
    /// Address and port.
    pub listen: String,
    /// Connections admitted.
    pub max_connections: u32,
    /// Largest message.
    pub max_payload_bytes: u32,
}

/// How a broker is doing.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct BrokerStats {
    /// Whether it runs.
    pub running: bool,
    pub backend: String,
    pub listen: String,
    /// Times started again.
    pub restarts: u32,
    /// Resident size.
    pub rss_bytes: u64,
    /// Clients.
    pub connections: Option<u64>,
    /// Messages.
    pub publishes: Option<u64>,
}

/// A link class as applied.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AppliedLink {
    /// Tier of the peers.
    pub name: String,
    #[serde(flatten)]
    pub link: Link,
    /// By so much the emulated delay is shorter than the latency.
    pub overhead_ms: f64,
    pub queue_limit_packets: u32,
    pub peers: Vec<String>,
    /// Those of them of which nothing is taken.
    pub cut_off: Vec<String>,
    /// What changes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<AppliedTrace>,
}

/// A trace that a link follows.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AppliedTrace {
    pub name: String,
    /// Where in it the link begins.
    pub begin_ms: u32,
    /// When it begins again.
    pub loop_after_ms: Option<u32>,
    /// How it was followed.
    #[serde(flatten)]
    pub progress: TraceProgress,
}

impl AppliedTrace {
    /// How it was followed, in words.
    pub fn followed(&self) -> String {
        let TraceProgress {
            steps,
            late_mean_ms,
            late_max_ms,
            missed,
        } = self.progress;
        format!(
            "{steps} steps of {}, late by {late_mean_ms:.2} ms on average and {late_max_ms:.2} ms at most, {missed} missed",
            self.name
        )
    }
}

/// Peers of which nothing is taken.
pub fn cut_off(peers: &[Peer]) -> Vec<String> {
    let cut = peers.iter().filter(|peer| peer.is_cut_off);
    cut.map(|peer| peer.node.clone()).collect()
}

/// Round trips.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct ProbeResult {
    /// In the order they came.
    pub rtt_ms: Vec<f64>,
    pub sent: u32,
    /// Not answered.
    pub lost: u32,
}

#[derive(Debug, Clone)]
pub struct RunStart {
    /// Unique in the deployment.
    pub id: String,
    /// Runs of another bench are ended first.
    pub bench: String,
    /// For the program.
    pub spec_json: String,
    pub cpu_cores: f64,
    pub memory_bytes: u64,
    /// The agent ends it when we are silent for so long.
    pub lease: Duration,
    /// In a container; `None` = as a process.
    pub container: Option<Container>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// `containerd` or `docker`.
    pub runtime: String,
    /// Full name.
    pub image: String,
    /// The whole command; empty = what the image says.
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub struct RunEvent {
    pub time_unix_ns: NodeTime,
    pub kind: RunEventKind,
}

/// See [`RunEvent`].
#[derive(Debug, Clone)]
pub enum RunEventKind {
    /// JSON line.
    Line(String),
    /// Log line.
    Log(String),
    /// So many events before the next one are lost: more came than an agent keeps.
    Missed(u64),
    Exit(RunExit),
}

/// Where a stream of metrics begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFrom {
    /// With what was measured last, at most a second ago: it is how the node was before anything began.
    Now,
    /// With all that the agent keeps: ten minutes.
    Kept,
}

/// An agent. Implementations: [`super::GrpcAgent`], and the simulated one of tests.
#[async_trait::async_trait]
pub trait Agent: super::Measure + Send + Sync + std::fmt::Debug {
    fn node(&self) -> &str;
    /// Who it is; refused when versions do not fit.
    async fn info(&self) -> Result<Info, Error>;
    /// Clock difference, the best of several exchanges.
    async fn clock_offset(&self) -> Result<ClockOffset, Error>;
    /// Moves its clock by so many nanoseconds; refused where that is not its own.
    async fn adjust_clock(&self, by_ns: i64) -> Result<(), Error>;
    /// Runs a program.
    async fn exec(&self, argv: &[String], timeout: Duration) -> Result<ExecOutput, Error>;
    /// Last log lines.
    async fn logs(&self, source: &str, lines: u32) -> Result<Vec<String>, Error>;
    /// Writes a file; returns where it lies on the node.
    async fn put(&self, source: &std::path::Path, path: &str) -> Result<String, Error>;
    /// Reads a file; the digest is checked.
    async fn get(&self, path: &str, target: &std::path::Path) -> Result<u64, Error>;
    /// Sends the files that the node lacks, and says how far it is.
    async fn push_missing(
        &self,
        artifacts: &[ArtifactSource],
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error>;
    /// Installs a component; brings what the node lacks first.
    async fn install(
        &self,
        component: &str,
        options: BTreeMap<String, String>,
        artifacts: &[ArtifactSource],
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error>;
    async fn start_broker(&self, spec: BrokerSpec) -> Result<(), Error>;
    /// How the broker is doing.
    async fn broker_stats(&self) -> Result<BrokerStats, Error>;
    /// Replaces all links, and the size of the largest packet where one is given.
    async fn apply_links(
        &self,
        classes: &[LinkClass],
        mtu_bytes: Option<u32>,
    ) -> Result<Vec<AppliedLink>, Error>;
    /// Changes the numbers of one class of the same peers; packets on the others are not touched.
    async fn set_link(&self, class: &LinkClass) -> Result<(), Error>;
    async fn links(&self) -> Result<Vec<AppliedLink>, Error>;
    /// What `tc` says of them.
    async fn tc_text(&self) -> Result<String, Error>;
    /// Starts the traces of links from where they begin.
    async fn start_traces(&self) -> Result<(), Error>;
    /// Round trips to an address.
    async fn probe(
        &self,
        address: &str,
        count: u32,
        interval: Duration,
    ) -> Result<ProbeResult, Error>;
    async fn start_run(&self, run: RunStart) -> Result<StartedRun, Error>;
    /// Events of a run until its end, into a channel.
    async fn watch_run(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error>;
    async fn stop_run(&self, id: &str) -> Result<(), Error>;
    /// A file that a run left.
    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error>;
    async fn metrics(&self) -> Result<Option<MetricsSample>, Error>;
    /// Samples and events, into a channel, until its receiver goes.
    async fn stream_metrics(
        &self,
        batches: mpsc::Sender<MetricsBatch>,
        from: MetricsFrom,
    ) -> Result<(), Error>;
    /// Ends the agent.
    async fn shutdown(&self) -> Result<(), Error>;
}
