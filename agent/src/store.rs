//! Artifacts by digest: what the controller streamed once need not come again.

use crate::{error::AgentError, files::Incoming};
use std::path::{Path, PathBuf};

/// An artifact as announced by the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// File name, for programs that look at it.
    pub name: String,
    /// Digest, lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
    /// For an archive of a container image, `NAME@DIGEST` of that image; otherwise empty.
    pub image: String,
}

#[derive(Debug, Clone)]
pub(crate) struct ArtifactStore {
    dir: PathBuf,
}

impl ArtifactStore {
    /// Below the agent's data directory.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("artifacts"),
        }
    }

    /// Where an artifact lies or would lie: a directory named by digest keeps the file's own name.
    pub(crate) fn path(&self, artifact: &Artifact) -> Result<PathBuf, AgentError> {
        let is_digest =
            artifact.sha256.len() == 64 && artifact.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_digest {
            return Err(AgentError::Invalid(format!(
                "artifact `{}` has no sha256",
                artifact.name
            )));
        }
        if artifact.name.contains('/') {
            return Err(AgentError::Invalid(format!(
                "artifact name `{}` has a slash",
                artifact.name
            )));
        }
        crate::files::below(
            &self.dir.join(artifact.sha256.to_ascii_lowercase()),
            &artifact.name,
        )
    }

    /// Whether it is here with the right size; content was checked when it came.
    pub(crate) fn has(&self, artifact: &Artifact) -> bool {
        self.path(artifact)
            .ok()
            .and_then(|path| std::fs::metadata(path).ok())
            .is_some_and(|m| m.is_file() && m.len() == artifact.size_bytes)
    }

    pub(crate) async fn receive(&self, artifact: &Artifact) -> Result<Incoming, AgentError> {
        Incoming::begin(
            self.path(artifact)?,
            &artifact.name,
            &artifact.sha256,
            artifact.size_bytes,
            0o644,
        )
        .await
    }
}
