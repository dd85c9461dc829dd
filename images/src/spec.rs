//! `packages.toml` and `guest.toml`, read from the source tree.

use crate::error::ImageError;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `packages.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Debian release.
    pub suite: String,
    /// For compiling.
    pub build_root: PackageSet,
    pub guest: PackageSet,
    /// Kept beside the image, by name of what asks for them.
    pub extras: BTreeMap<String, PackageSet>,
    pub weights: Weights,
}

/// Names of Debian packages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSet {
    /// Without their dependencies.
    pub packages: Vec<String>,
}

/// A file inside a pinned wheel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// File name of the wheel.
    pub(crate) wheel: String,
    /// As pip wants it.
    pub(crate) requirement: String,
    pub(crate) wheel_sha256: String,
    pub member: String,
    /// Digest of that.
    pub(crate) member_sha256: String,
}

/// `guest.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestSpec {
    /// Kernel modules loaded before the disk is mounted.
    pub(crate) early_modules: Vec<String>,
    /// Units started at boot.
    pub enable: Vec<Enabled>,
    /// Units that packages enabled and that shall not start by themselves.
    pub disable: Vec<String>,
    /// Units that shall never start.
    pub(crate) mask: Vec<String>,
    /// systemd generators that shall not run.
    pub(crate) mask_generators: Vec<String>,
}

/// One unit started at boot.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enabled {
    pub unit: String,
    /// The target that pulls it in.
    pub(crate) wanted_by: String,
}

/// The source tree that images are made from.
#[derive(Debug, Clone)]
pub struct SourceTree {
    dir: PathBuf,
}

impl SourceTree {
    /// Looks for it from a directory upwards.
    pub fn find(from: &Path) -> Result<Self, ImageError> {
        from.ancestors()
            .find(|dir| dir.join("images/packages.toml").exists() && dir.join("agent").exists())
            .map(|dir| Self {
                dir: dir.to_owned(),
            })
            .ok_or_else(|| ImageError::Missing {
                what: format!("the source tree at or above `{}`", from.display()),
                hint:
                    "images are built from source: run this in the checkout, or give --source DIR"
                        .into(),
            })
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.join(relative)
    }

    /// `images/packages.toml`.
    pub fn packages(&self) -> Result<Packages, ImageError> {
        read_toml(&self.path("images/packages.toml"))
    }

    /// `images/guest.toml`.
    pub fn guest(&self) -> Result<GuestSpec, ImageError> {
        read_toml(&self.path("images/guest.toml"))
    }
}

pub(crate) fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ImageError> {
    let text = std::fs::read_to_string(path).map_err(ImageError::file("read", path))?;
    toml::from_str(&text).map_err(|e| ImageError::Parse {
        path: path.to_owned(),
        why: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_understood() {
        let source = SourceTree::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let packages = source.packages().unwrap();
        assert!(packages.guest.packages.contains(&"cloud-init".to_owned()));
        assert!(packages.extras.contains_key("mosquitto"));
        assert!(
            packages
                .build_root
                .packages
                .contains(&"libopenblas0-pthread".to_owned())
        );
        let guest = source.guest().unwrap();
        assert!(
            guest
                .enable
                .iter()
                .any(|e| e.unit == "continuum-agent.service")
        );
        assert!(SourceTree::find(Path::new("/proc")).is_err());
    }
}
