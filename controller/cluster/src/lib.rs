//! What is asked of a live cluster: a client of its API server, and runs as Jobs in it.
//!
//! ```text
//! RunStart ─ job ─> Job ─> pod ─┬─ pod_watcher: one watch for all pods of a bench
//!                               ├─ log: lines with their times, followed across broken connections
//!                               ├─ pod: when it was scheduled, started, ended; image digest (its limits: `run`)
//!                               └─ node_times: when its node did what, from the node's logs
//! ```

mod apply;
mod ask;
mod client;
mod delivery;
pub mod error;
mod function_pods;
mod job;
mod log;
mod look;
mod node_times;
mod nodes;
mod pod;
mod pod_watcher;
mod run;
pub mod usage;
mod words;

pub use apply::{apply, not_running_reasons, with_reasons};
pub use ask::ask;
pub use client::{client, kubeconfig_path, write_kubeconfig};
pub use delivery::Delivery;
pub use function_pods::FunctionPods;
pub use job::{Image, Member, job};
pub use look::{look, scrape};
pub use node_times::node_times;
pub use nodes::{check_ready, unready_now, versions, wait_ready};
pub use run::{PodRun, Pods};

/// One question to the API server.
pub(crate) const ASK_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);
