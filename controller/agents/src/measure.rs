//! What agents measure when they are asked to.

use continuum_host::error::Error;
use std::time::Duration;

/// Ports of a node that others measure with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPorts {
    /// Of the node.
    pub address: String,
    /// For transfers, and for reports of trains.
    pub tcp_port: u32,
    /// For trains.
    pub udp_port: u32,
    /// Who has it may use them.
    pub token: Vec<u8>,
}

/// Bytes over TCP, as fast as they go.
#[derive(Debug, Clone, Copy)]
pub struct TransferSpec {
    /// From the first byte to the first that counts.
    pub skip: Duration,
    /// For how long bytes count.
    pub count: Duration,
    /// It ends with so many.
    pub most_bytes: u64,
    /// Of the sender; bounds what waits in queues.
    pub buffer_bytes: u32,
}

/// What a peer took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Transferred {
    /// All of it.
    pub received_bytes: u64,
    /// Payload while it counted.
    pub counted_bytes: u64,
    /// How long that was.
    pub counted: Duration,
    /// Of the sender's device.
    pub mtu_bytes: u32,
}

/// Numbered datagrams.
#[derive(Debug, Clone, Copy)]
pub struct TrainSpec {
    /// How many.
    pub count: u32,
    /// From one to the next.
    pub interval: Duration,
    /// For the last one to arrive.
    pub wait: Duration,
}

/// What became of a train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrainResult {
    pub sent: u32,
    /// Each once.
    pub received: u32,
    /// After a later one.
    pub reordered: u32,
    /// Came again.
    pub duplicates: u32,
    /// On the wire.
    pub bytes: u64,
}

/// What a core gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoreShare {
    /// Its number.
    pub core: u32,
    /// Work done, of what an undisturbed core does in that time.
    pub work: f64,
    /// As the node's kernel counts it.
    pub kernel: f64,
}

/// What a disk does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DiskRates {
    /// Bytes per second.
    pub write_bytes_per_s: f64,
    /// Bytes per second.
    pub read_bytes_per_s: f64,
    /// Both together.
    pub bytes: u64,
    /// Past the page cache.
    pub is_direct: bool,
}

/// What a node's kernel says of itself, times since boot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    /// Of the machine.
    pub memory_bytes: u64,
    /// Of the machine.
    pub cores: u32,
    /// All cores together.
    pub cpu_ms: u64,
    /// Of these.
    pub idle_ms: u64,
    /// Of these, taken by the host.
    pub steal_ms: u64,
    /// Of the agent's control groups.
    pub throttled_ms: u64,
    /// Programs that wanted to run, mean of a minute.
    pub load: f64,
    /// Empty = none.
    pub governor: String,
    /// What the kernel takes the time from.
    pub clock_source: String,
}

/// What an agent measures of its node. Implementations: that of [`crate::GrpcAgent`], and the simulated one of tests.
#[async_trait::async_trait]
pub trait Measure: Send + Sync {
    /// Opens ports for so long; of one transfer it takes so many bytes.
    async fn open_ports(&self, open: Duration, most_bytes: u64) -> Result<OpenPorts, Error>;
    /// Sends bytes to a node that opened ports.
    async fn transfer(&self, to: &OpenPorts, spec: TransferSpec) -> Result<Transferred, Error>;
    /// Sends datagrams there.
    async fn train(&self, to: &OpenPorts, spec: TrainSpec) -> Result<TrainResult, Error>;
    /// Keeps every core busy for so long.
    async fn processor(&self, busy: Duration) -> Result<Vec<CoreShare>, Error>;
    /// Writes and reads a file of its own, each for so long.
    async fn disk(
        &self,
        write: Duration,
        read: Duration,
        most_bytes: u64,
    ) -> Result<DiskRates, Error>;
    /// How the node is now.
    async fn condition(&self) -> Result<Condition, Error>;
}
