//! What can go wrong before an agent is spoken to. What agents say, and that they say nothing, decides what commands do:
//! that is in [`Error`].

use continuum_host::error::Error;

/// Why there is no connection to be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("prepare the connection to node {node}")]
    Settings {
        node: String,
        source: tonic::transport::Error,
    },
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::layer(error)
    }
}
