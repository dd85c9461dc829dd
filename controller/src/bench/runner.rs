//! Where a run happens: one trait, a file for each place.

use crate::{
    agents::{Agent, GrpcAgent, RunEvent, RunStart, StartedRun},
    cluster::PodRecord,
    error::Error,
};
use tokio::sync::mpsc;

/// A place for one run.
#[async_trait::async_trait]
pub trait Runner: Send + Sync + std::fmt::Debug {
    /// Starts it.
    async fn start(&self, run: RunStart) -> Result<StartedRun, Error>;
    /// Its events until its end, into a channel.
    async fn watch(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error>;
    /// Ends it.
    async fn stop(&self, id: &str) -> Result<(), Error>;
    /// A file that it left.
    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error>;
    /// The pod that it was, if it was one.
    fn pod(&self) -> Option<PodRecord> {
        None
    }
}

/// A process of the node's agent.
#[derive(Debug)]
pub(super) struct OnAgent(pub(super) GrpcAgent);

#[async_trait::async_trait]
impl Runner for OnAgent {
    async fn start(&self, run: RunStart) -> Result<StartedRun, Error> {
        self.0.start_run(run).await
    }
    async fn watch(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error> {
        self.0.watch_run(id, events).await
    }
    async fn stop(&self, id: &str) -> Result<(), Error> {
        self.0.stop_run(id).await
    }
    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        self.0.collect(id, name).await
    }
}
