//! Where the page's figures come from.

use crate::{
    panels::{Application, ClusterView},
    view::{Status, Topology},
};
use continuum_agents::Agent;
use continuum_model::{ClockOffset, MeasuredNumber};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Clocks of nodes, by name.
pub type ClockOffsets = BTreeMap<String, ClockOffset>;

/// A deployment, as the page sees it. Takes no lock: whoever works on the deployment goes on.
#[async_trait::async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// What stays as it is while the deployment is up.
    fn topology(&self) -> Topology;
    fn agents(&self) -> Vec<Arc<dyn Agent>>;
    /// What is so now; asked once a second.
    async fn status(&self) -> Status;
    /// How the inputs of the run fare; asked every other second. `None` = nobody sends any.
    async fn application(&self, clocks: &ClockOffsets) -> Option<Application>;
    /// What was measured of links and nodes last; asked every other second.
    fn measured(&self) -> Vec<MeasuredNumber>;
    /// The cluster and its functions; asked every five seconds. `None` = there is none.
    async fn cluster(&self) -> Option<ClusterView>;
    /// Where a result of this name has its report.
    fn report(&self, result: &str) -> Option<PathBuf>;
}
