//! Links in a file, so that a node which starts again has them before anything of it is heard.

use super::LinkClass;
use crate::error::AgentError;
use continuum_common::files;
use std::path::{Path, PathBuf};

/// Where links are kept.
#[derive(Debug)]
pub(super) struct SavedLinks(PathBuf);

impl SavedLinks {
    pub(super) fn below(data_dir: &Path) -> Self {
        Self(data_dir.join("links.json"))
    }

    /// Whole or not at all, whenever the node loses its power.
    pub(super) fn write(&self, links: &[&LinkClass]) -> Result<(), AgentError> {
        let text = serde_json::to_vec(links).unwrap_or_default();
        files::replace(&self.0, None, text).map_err(AgentError::file("write", &self.0))
    }

    /// No links are better than those of before.
    pub(super) fn forget(&self) {
        std::fs::remove_file(&self.0).ok();
    }

    /// Nothing where none were applied yet. What cannot be read is said, and the controller applies them again.
    pub(super) fn read(&self) -> Vec<LinkClass> {
        let Ok(text) = std::fs::read(&self.0) else {
            return Vec::new();
        };
        serde_json::from_slice(&text).unwrap_or_else(|why| {
            tracing::error!("{} is not what was written: {why}", self.0.display());
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Peer;

    #[test]
    fn links_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let saved = SavedLinks::below(dir.path());
        assert_eq!(saved.read(), []);
        let link = LinkClass {
            name: "edge".into(),
            latency_ms: 7.5,
            jitter_ms: 0.1,
            loss_percent: 100.0,
            rate_mbit: 29.66,
            overhead_ms: 0.36,
            peers: vec![Peer {
                node: "edge0".into(),
                prefixes: vec!["192.168.100.2/32".parse().unwrap()],
            }],
        };
        saved.write(&[&link, &link]).unwrap();
        saved.write(&[&link]).unwrap();
        assert_eq!(saved.read(), std::slice::from_ref(&link));
        std::fs::write(dir.path().join("links.json"), "[{").unwrap();
        assert_eq!(saved.read(), []);
        saved.write(&[&link]).unwrap();
        saved.forget();
        assert_eq!(saved.read(), []);
    }
}
