//! Errors to status codes, and texts to addresses, in one place.

use crate::error::{AgentError, chain};
use std::net::IpAddr;
use tonic::{Code, Status};

pub(super) fn address(text: &str) -> Result<IpAddr, AgentError> {
    text.parse()
        .map_err(|_| AgentError::Invalid(format!("`{}` is no address", text.escape_debug())))
}

impl From<AgentError> for Status {
    fn from(error: AgentError) -> Self {
        let code = match &error {
            AgentError::Invalid(_) => Code::InvalidArgument,
            AgentError::NotFound { .. } => Code::NotFound,
            AgentError::Exists { .. } | AgentError::InUse(_) => Code::AlreadyExists,
            AgentError::Unsupported { .. } => Code::FailedPrecondition,
            AgentError::Deadline { .. } => Code::DeadlineExceeded,
            AgentError::Digest { .. } => Code::DataLoss,
            AgentError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Code::NotFound
            }
            AgentError::File { .. }
            | AgentError::Config { .. }
            | AgentError::Start { .. }
            | AgentError::Program { .. }
            | AgentError::Kernel { .. }
            | AgentError::Tls { .. }
            | AgentError::Peer { .. }
            | AgentError::Serve { .. } => Code::Internal,
        };
        let text = format!("failed to {}", chain(&error));
        tracing::warn!("{text}");
        Self::new(code, text)
    }
}
