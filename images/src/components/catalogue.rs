//! `components.toml`: part of the program, so that a result can say what it knew.

use crate::error::ImageError;
use serde::Deserialize;
use std::collections::BTreeMap;

const TEXT: &str = include_str!("../../components.toml");

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    pub name: String,
    pub version: String,
    pub summary: String,
    /// How it is got.
    pub way: String,
    /// For `go`: `variable=value` of the linker.
    #[serde(default)]
    pub(crate) stamps: Vec<String>,
    /// For `go`: programs with their packages.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
    /// For `oci` and `bundle`: images by name.
    #[serde(default)]
    pub images: BTreeMap<String, ContainerImage>,
    /// For `file`: what must be in it. For `url`: what is taken out of archives.
    #[serde(default)]
    pub members: Vec<String>,
    /// For `file` and `url`: files that all YAML files of a folder are joined into.
    #[serde(default)]
    pub joined: BTreeMap<String, String>,
    /// For `url`: files by name; those of a folder that is joined have it before their names.
    #[serde(default)]
    pub urls: BTreeMap<String, Published>,
    /// For `debian`: names of packages. For `kernel`: of those that build it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// For `kernel`: where its source comes from.
    pub kernel: Option<KernelSource>,
}

/// Where a kernel's source comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelSource {
    /// Debian release that it is built in.
    pub suite: String,
    /// Served beside that one.
    pub beside: String,
    /// Names of packages, the best first; `*` stands for any number, of which the greatest is meant.
    pub packages: Vec<String>,
}

/// A file that somebody publishes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub address: String,
    /// What it must be; without it, what it was the first time.
    pub sha256: Option<String>,
    /// Where the SHA-512 is published that it must have, in hexadecimal digits before anything else.
    #[serde(default)]
    pub(crate) sha512_at: Option<String>,
}

/// A container image made of a program of another component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerImage {
    pub tag: String,
    /// Component, in the version of the same stack; `bundle` for that of the workload.
    pub from: String,
    pub program: String,
    /// Programs of the guest image that it calls, with their libraries.
    #[serde(default)]
    pub(crate) guest_programs: Vec<String>,
    /// Other programs of the same component beside it.
    #[serde(default)]
    pub beside: Vec<String>,
}

impl Component {
    /// Full name of one of its images.
    pub fn image_reference(&self, name: &str) -> Option<String> {
        let image = self.images.get(name)?;
        Some(format!("continuum.local/{name}:{}", image.tag))
    }

    /// As `kubernetes 1.35.4`.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Everything of the entry that a result depends on.
    pub(super) fn identity(&self) -> String {
        let programs = self.programs.iter().map(|(k, v)| format!("{k}={v}"));
        [self.name.clone(), self.version.clone(), self.way.clone()]
            .into_iter()
            .chain(self.stamps.iter().cloned())
            .chain(programs)
            .chain(self.members.iter().cloned())
            .chain(self.packages.iter().cloned())
            .chain(self.kernel.iter().map(|kernel| format!("{kernel:?}")))
            .chain(self.joined.iter().map(|(k, v)| format!("{k}={v}")))
            .chain(
                self.urls
                    .iter()
                    .map(|(name, file)| format!("{name} {file:?}")),
            )
            .chain(
                self.images
                    .iter()
                    .map(|(name, image)| format!("{name} {image:?}")),
            )
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Versions that were tested together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stack {
    pub name: String,
    /// Component to version.
    #[serde(flatten)]
    pub versions: BTreeMap<String, String>,
}

/// A guest image with container images in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub name: String,
    /// Where the versions come from.
    pub stack: String,
    /// Components whose container images are in it.
    pub components: Vec<String>,
    /// Programs that its agent has from the beginning, by component.
    pub programs: BTreeMap<String, Vec<String>>,
}

/// What a role puts into a guest: files of one component.
#[derive(Debug)]
pub struct Carried<'a> {
    pub component: &'a Component,
    /// Its programs; `None` = its container images.
    pub programs: Option<&'a [String]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The first one is the default.
    #[serde(rename = "stack")]
    pub(crate) stacks: Vec<Stack>,
    /// Guest images beside the plain one.
    #[serde(rename = "role")]
    pub roles: Vec<Role>,
    /// In the order of the file.
    #[serde(rename = "component")]
    pub components: Vec<Component>,
}

impl Catalogue {
    pub fn builtin() -> Result<Self, ImageError> {
        toml::from_str(TEXT).map_err(|e| ImageError::Parse {
            path: "images/components.toml".into(),
            why: e.to_string(),
        })
    }

    /// What a role puts into a guest.
    pub fn role(&self, name: &str) -> Result<Vec<Carried<'_>>, ImageError> {
        let known = || self.roles.iter().map(|r| &*r.name).collect::<Vec<_>>();
        let role = self.roles.iter().find(|r| r.name == name);
        let role = role.ok_or_else(|| ImageError::Missing {
            what: format!("guest image of role `{name}`"),
            hint: format!("there are roles: {}", known().join(", ")),
        })?;
        let stack = self.stacks.iter().find(|s| s.name == role.stack);
        let version = |name: &str| stack.and_then(|s| s.versions.get(name));
        let images = role.components.iter().map(|name| (name, None));
        let programs = role.programs.iter();
        let programs = programs.map(|(name, programs)| (name, Some(&**programs)));
        images
            .chain(programs)
            .map(|(name, programs)| {
                let component = self.find(name, version(name).map(String::as_str))?;
                Ok(Carried {
                    component,
                    programs,
                })
            })
            .collect()
    }

    /// A component by name, and by version if there are several.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<&Component, ImageError> {
        let mut found = self
            .components
            .iter()
            .filter(|c| c.name == name && version.is_none_or(|v| c.version == v));
        found.next().ok_or_else(|| {
            let known: Vec<_> = self.components.iter().map(Component::title).collect();
            ImageError::Missing {
                what: format!("component {name} {}", version.unwrap_or_default())
                    .trim()
                    .to_owned(),
                hint: format!("the catalogue has: {}", known.join(", ")),
            }
        })
    }

    /// The stack with a version of a component; the default one when no version is asked for.
    pub fn stack(&self, component: &str, version: Option<&str>) -> Result<&Stack, ImageError> {
        let has = |s: &&Stack| {
            let own = s.versions.get(component);
            own.is_some_and(|own| version.is_none_or(|v| v.trim_start_matches('v') == own))
        };
        self.stacks.iter().find(has).ok_or_else(|| {
            let known: Vec<_> = self
                .stacks
                .iter()
                .filter_map(|s| s.versions.get(component).map(String::as_str))
                .collect();
            ImageError::Missing {
                what: format!(
                    "{component} {} in the catalogue",
                    version.unwrap_or_default()
                ),
                hint: format!("it has: {}", known.join(", ")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{FETCHERS, fetcher};

    #[test]
    fn the_catalogue_is_sound() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut titles: Vec<_> = catalogue.components.iter().map(Component::title).collect();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), catalogue.components.len());
        for component in &catalogue.components {
            fetcher(&component.way).unwrap();
        }
        // A stack names what there is; what comes as a Debian package has no component.
        for stack in &catalogue.stacks {
            for (name, version) in stack.versions.iter().filter(|(n, _)| *n != "containerd") {
                catalogue.find(name, Some(version)).unwrap();
            }
        }
        for role in &catalogue.roles {
            assert!(catalogue.stacks.iter().any(|s| s.name == role.stack));
            assert!(!catalogue.role(&role.name).unwrap().is_empty());
        }
        let mut names: Vec<_> = FETCHERS.iter().map(|w| w.name()).collect();
        names.dedup();
        assert_eq!(names.len(), FETCHERS.len());
    }

    #[test]
    fn versions_are_found_or_named() {
        let catalogue = Catalogue::builtin().unwrap();
        assert_eq!(
            catalogue.stack("kubernetes", None).unwrap().name,
            "kubernetes-1.35"
        );
        assert!(catalogue.stack("kubernetes", Some("v1.35.4")).is_ok());
        let error = catalogue
            .stack("kubernetes", Some("1.27.0"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("1.27.0") && error.contains("1.35.4"),
            "{error}"
        );
        let error = catalogue.find("kubernets", None).unwrap_err().to_string();
        assert!(error.contains("kubernetes 1.35.4"), "{error}");
    }
}
