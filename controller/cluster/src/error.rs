//! What can go wrong with an API server. A text fits after "failed to".

use super::words;
use continuum_host::error::Error;

/// What was asked of a cluster, and why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("prepare the connection to the API server: there is no controller node")]
    NoController,
    #[error("prepare the connection to the API server at {url}")]
    Connection {
        url: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server says no, and will not say otherwise.
    #[error("{doing}: {message}")]
    Refused {
        doing: String,
        /// Of HTTP.
        code: u16,
        message: String,
    },
    #[error("look at the cluster's nodes")]
    Nodes(#[source] Unanswered),
    #[error("look at the cluster")]
    Look(#[source] Unanswered),
    #[error("read the metrics of pod {pod}")]
    Scrape { pod: String, source: Unanswered },
    #[error("describe run {run} as a Job")]
    Job {
        run: String,
        source: serde_json::Error,
    },
}

impl ClusterError {
    pub(crate) fn job(run: &str, source: serde_json::Error) -> Self {
        let run = run.to_owned();
        Self::Job { run, source }
    }
}

impl From<ClusterError> for Error {
    fn from(error: ClusterError) -> Self {
        Self::layer(error)
    }
}

/// Why one question to the API server has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("{}", words::plain(.0))]
    Api(Box<kube::Error>),
    #[error("{}", words::NO_ANSWER)]
    Silent,
}
