//! The agent's own configuration, written by the controller into the seed of the node.

use crate::error::AgentError;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// `agent.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Name of this node in the deployment.
    pub node: String,
    pub deployment_id: String,
    /// Address and port to serve on; the address also tells the network device to emulate links on.
    pub listen: SocketAddr,
    /// Certificate authority of the deployment, PEM.
    pub ca: PathBuf,
    /// This agent's certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM, readable by the owner only.
    pub key: PathBuf,
    /// Everything the agent writes lies below this.
    pub data_dir: PathBuf,
    pub bundle: PathBuf,
    /// Whether this is a machine of its own, where links are emulated, limits enforced and software installed.
    pub own_machine: bool,
    /// The program to start children with; by default the agent itself.
    #[serde(default)]
    pub helper: Option<PathBuf>,
}

impl AgentConfig {
    /// Reads the file; nothing is guessed.
    pub fn load(path: &Path) -> Result<Self, AgentError> {
        let text =
            std::fs::read_to_string(path).map_err(AgentError::file("read configuration", path))?;
        toml::from_str(&text).map_err(|source| AgentError::Config {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// The program to start children with.
    pub fn helper(&self) -> Result<PathBuf, AgentError> {
        match &self.helper {
            Some(path) => Ok(path.clone()),
            None => std::env::current_exe().map_err(AgentError::file(
                "find the agent's own program",
                "/proc/self/exe",
            )),
        }
    }
}
