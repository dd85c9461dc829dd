//! Where a run happens: one trait, an implementation for each place.

use super::{RunEvent, RunStart};
use continuum_host::error::Error;
use continuum_images::guest::BUNDLE_DIR;
use continuum_model::{PodRecord, StartedRun};
use tokio::sync::mpsc;

/// Where a run in a container leaves its files.
pub const OUT_DIR: &str = "/out";

/// What our own program is told in a container.
pub fn workload_arguments(spec_json: &str) -> Vec<String> {
    vec![
        "run".into(),
        format!("--spec-json={spec_json}"),
        format!("--bundle=/{BUNDLE_DIR}"),
        format!("--out={OUT_DIR}"),
    ]
}

/// A place for one run.
#[async_trait::async_trait]
pub trait Runner: Send + Sync + std::fmt::Debug {
    async fn start(&self, run: RunStart) -> Result<StartedRun, Error>;
    /// Its events until its end, into a channel.
    async fn watch(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error>;
    async fn stop(&self, id: &str) -> Result<(), Error>;
    /// A file that it left.
    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error>;
    /// The pod that it was, if it was one.
    fn pod(&self) -> Option<PodRecord> {
        None
    }
}
