//! Mutual TLS, or nothing.

use crate::{config::AgentConfig, error::AgentError};
use std::path::Path;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

const HANDSHAKE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

fn read(doing: &'static str, path: &Path) -> Result<Vec<u8>, AgentError> {
    let bytes = std::fs::read(path).map_err(AgentError::file(doing, path))?;
    if bytes.windows(11).any(|w| w == b"-----BEGIN ") {
        return Ok(bytes);
    }
    Err(AgentError::Tls {
        doing: format!("{doing} `{}`", path.display()),
        source: "it holds no PEM block".into(),
    })
}

/// Reads CA, certificate and key. A client without a certificate of this CA is refused in the handshake.
pub(super) fn load(config: &AgentConfig) -> Result<ServerTlsConfig, AgentError> {
    let ca = read("read certificate authority", &config.ca)?;
    let certificate = read("read certificate", &config.certificate)?;
    let key = read("read key", &config.key)?;
    Ok(ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(ca))
        .client_auth_optional(false)
        // Somebody who connects and says nothing must not hold a descriptor for ever.
        .timeout(HANDSHAKE_DEADLINE))
}
