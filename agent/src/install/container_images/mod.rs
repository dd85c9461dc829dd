//! Container images from archives, into the store of a runtime: one trait, one file each, one list. Option `runtime`;
//! without it containerd, where the kubelet looks for them.

mod containerd;
mod docker;

use super::{InstallSpec, Installer, Progress};
use crate::{error::AgentError, store::Artifact, system::System};
use std::{path::PathBuf, time::Duration};

pub(super) use containerd::import;
pub(crate) use containerd::present;

/// Every store, the usual one first; the only place that names them.
const IMAGE_STORES: &[&dyn ImageStore] = &[&containerd::Containerd, &docker::Docker];

/// Where a runtime has its images.
#[async_trait::async_trait]
trait ImageStore: Sync {
    /// As runtimes are called in configs.
    fn name(&self) -> &'static str;
    /// Takes in every archive among the artifacts whose image is not there.
    async fn take(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError>;
}

#[derive(Debug)]
pub(crate) struct ContainerImages;

/// An image of hundreds of megabytes under emulation.
const IMPORT_DEADLINE: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_mins(2);

/// Those of the artifacts that hold an image.
fn archives(spec: &InstallSpec) -> impl Iterator<Item = &(Artifact, PathBuf)> {
    let artifacts = spec.artifacts.iter();
    artifacts.filter(|(artifact, _)| artifact.name.ends_with(".tar"))
}

#[async_trait::async_trait]
impl Installer for ContainerImages {
    fn name(&self) -> &'static str {
        "container-images"
    }

    fn options(&self) -> Vec<&'static str> {
        vec!["runtime"]
    }

    async fn is_installed(&self, _system: &dyn System) -> bool {
        // There is no such thing as all of them.
        false
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let runtime = spec.options.get("runtime");
        let runtime = runtime.map_or(IMAGE_STORES[0].name(), String::as_str);
        let store = IMAGE_STORES.iter().find(|s| s.name() == runtime);
        let store = store.ok_or_else(|| AgentError::NotFound {
            what: "container runtime",
            name: runtime.to_owned(),
            known: IMAGE_STORES.iter().map(|s| s.name().to_owned()).collect(),
        })?;
        store.take(spec, system, progress).await
    }
}
