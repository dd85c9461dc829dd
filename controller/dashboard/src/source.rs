//! Where the page's figures come from.

use crate::view::{Status, Topology};
use continuum_agents::Agent;
use std::{path::PathBuf, sync::Arc};

/// A deployment, as the page sees it. Takes no lock: whoever works on the deployment goes on.
#[async_trait::async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// What stays as it is while the deployment is up.
    fn topology(&self) -> Topology;
    /// Agents to follow.
    fn agents(&self) -> Vec<Arc<dyn Agent>>;
    /// What is so now; asked once a second.
    async fn status(&self) -> Status;
    /// Where a result of this name has its report.
    fn report(&self, result: &str) -> Option<PathBuf>;
}
