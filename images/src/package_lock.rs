//! A lock: exactly which packages, by version and digest.

use crate::{error::ImageError, hash, spec::read_toml};
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    pub name: String,
    pub version: String,
    /// Architecture: `amd64` or `all`.
    pub(crate) architecture: String,
    /// Digest of the .deb.
    pub sha256: String,
    pub size_bytes: u64,
}

impl LockedPackage {
    /// The usual file name; a colon in the version is left out, as on mirrors.
    pub fn file_name(&self) -> String {
        let version = self
            .version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, v)| v);
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }
}

/// A complete set of packages: dependencies included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Debian release.
    pub suite: String,
    /// What was asked for; the rest are dependencies.
    pub asked: Vec<String>,
    /// Sorted by name.
    #[serde(rename = "package")]
    pub packages: Vec<LockedPackage>,
}

impl Lock {
    pub fn load(path: &Path) -> Result<Self, ImageError> {
        read_toml(path)
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Stands for all of it in keys.
    pub fn digest(&self) -> String {
        hash::texts([self.to_toml().as_str()])
    }

    /// Total size of the .debs.
    pub fn size_bytes(&self) -> u64 {
        self.packages.iter().map(|p| p.size_bytes).sum()
    }

    /// Packages that `other` does not have.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let has = |p: &LockedPackage| other.packages.iter().any(|o| o.sha256 == p.sha256);
        Self {
            suite: self.suite.clone(),
            asked: self.asked.clone(),
            packages: self.packages.iter().filter(|p| !has(p)).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> LockedPackage {
        LockedPackage {
            name: name.into(),
            version: "1:2.0-1".into(),
            architecture: "amd64".into(),
            sha256: hash::texts([name]),
            size_bytes: 10,
        }
    }

    #[test]
    fn toml_round_trip_difference_and_digest() {
        let all = Lock {
            suite: "trixie".into(),
            asked: vec!["b".into()],
            packages: vec![package("a"), package("b")],
        };
        assert_eq!(toml::from_str::<Lock>(&all.to_toml()).unwrap(), all);
        let base = Lock {
            packages: vec![package("a")],
            ..all.clone()
        };
        assert_eq!(all.without(&base).packages, [package("b")]);
        assert_ne!(all.digest(), base.digest());
        assert_eq!(package("a").file_name(), "a_2.0-1_amd64.deb");
        assert_eq!(all.size_bytes(), 20);
    }
}
