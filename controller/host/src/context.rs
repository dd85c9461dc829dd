//! What every command works with.

use crate::{
    error::Error,
    progress::Progress,
    state::{Deployment, StateRoot},
};
use continuum_images::cache::Cache;
use continuum_model::Facts;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where state lies.
    pub root: StateRoot,
    /// Where images lie.
    pub cache: Cache,
    /// What is said meanwhile.
    pub progress: Arc<Progress>,
    /// The user asked to stop.
    pub cancel: CancellationToken,
    /// What provider `auto` stands for, where that was found out before this command began.
    pub chosen: Option<Choice>,
}

/// A provider, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub provider: String,
    /// Why; `None` where the config names it.
    pub reason: Option<String>,
}

impl Choice {
    /// Written down for results.
    pub fn record(&self, deployment: &mut Deployment) -> Result<(), Error> {
        if self.reason.is_none() {
            return Ok(());
        }
        deployment.add_facts(Facts {
            provider_choice: self.reason.clone(),
            ..Facts::default()
        })
    }
}
