//! Links in a file, so that a node which starts again has them before anything of it is heard.

use super::Links;
use crate::error::AgentError;
use continuum_common::files;
use std::path::{Path, PathBuf};

/// Where links are saved.
#[derive(Debug)]
pub(super) struct SavedLinks(PathBuf);

impl SavedLinks {
    pub(super) fn below(data_dir: &Path) -> Self {
        Self(data_dir.join("links.json"))
    }

    /// Whole or not at all, whenever the node loses its power.
    pub(super) fn write(&self, links: &Links) -> Result<(), AgentError> {
        let text = serde_json::to_vec(links).unwrap_or_default();
        files::replace(&self.0, None, text).map_err(AgentError::file("write", &self.0))
    }

    /// No links are better than those of before.
    pub(super) fn forget(&self) {
        std::fs::remove_file(&self.0).ok();
    }

    /// Nothing where none were applied yet. What cannot be read is said, and the controller applies them again.
    pub(super) fn read(&self) -> Links {
        let Ok(text) = std::fs::read(&self.0) else {
            return Links::default();
        };
        serde_json::from_slice(&text).unwrap_or_else(|why| {
            tracing::error!("{} is not what was written: {why}", self.0.display());
            Links::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::link::tests::{class, peer};

    #[test]
    fn links_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let saved = SavedLinks::below(dir.path());
        assert_eq!(saved.read(), Links::default());
        let mut link = class("edge", 7.5, 29.66);
        link.loss_percent = 100.0;
        link.peers = vec![peer("edge0", "52:54:00:00:00:01", &["192.168.100.2/32"])];
        let links = Links {
            classes: vec![link.clone(), link],
            mtu_bytes: 1400,
        };
        saved.write(&Links::default()).unwrap();
        saved.write(&links).unwrap();
        assert_eq!(saved.read(), links);
        std::fs::write(dir.path().join("links.json"), "[{").unwrap();
        assert_eq!(saved.read(), Links::default());
        saved.write(&links).unwrap();
        saved.forget();
        assert_eq!(saved.read(), Links::default());
    }
}
