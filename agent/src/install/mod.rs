//! Software on the node: one trait, one file per component, one list.

mod container_images;
mod containerd;
mod docker;
mod kernel_modules;
mod kubeedge;
mod kubernetes;
mod mqtt;
mod packages;
mod processor;
mod unit;

use crate::{error::AgentError, store::Artifact, system::System};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

pub(crate) use container_images::{ContainerImages, present as present_images};
pub(crate) use containerd::Containerd;
pub(crate) use docker::Docker;
pub use kubeedge::rights as kubeedge_rights;
pub(crate) use kubeedge::{CloudCore, EdgeCore};
pub(crate) use kubernetes::{ControlPlane, PodRoutes, Worker};
pub(crate) use mqtt::Mqtt;

/// Every installer; the only place that names them.
pub(crate) const INSTALLERS: &[&dyn Installer] = &[
    &Mqtt,
    &Containerd,
    &Docker,
    &ContainerImages,
    &ControlPlane,
    &Worker,
    &PodRoutes,
    &CloudCore,
    &EdgeCore,
];

/// What the controller asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct InstallSpec {
    /// Settings of the component.
    pub options: BTreeMap<String, String>,
    /// Artifacts with where they lie on this node.
    pub artifacts: Vec<(Artifact, PathBuf)>,
}

#[async_trait::async_trait]
pub(crate) trait Installer: Sync {
    /// Name on the wire and in configs.
    fn name(&self) -> &'static str;
    /// Names of its settings; it is asked for no others.
    fn options(&self) -> Vec<&'static str>;
    /// Whether it needs a machine of its own (root, systemd, packages).
    fn needs_own_machine(&self, _spec: &InstallSpec) -> bool {
        true
    }
    /// Whether it is there.
    async fn is_installed(&self, system: &dyn System) -> bool;
    /// Installs it; steps that are done already report that and change nothing.
    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError>;
}

/// Looks one up by name.
pub(crate) fn find(name: &str) -> Result<&'static dyn Installer, AgentError> {
    INSTALLERS
        .iter()
        .copied()
        .find(|i| i.name() == name)
        .ok_or_else(|| AgentError::NotFound {
            what: "component",
            name: name.to_owned(),
            known: INSTALLERS.iter().map(|i| i.name().to_owned()).collect(),
        })
}

/// Settings that it does not know would be without effect.
pub(crate) fn check_options(
    installer: &dyn Installer,
    spec: &InstallSpec,
) -> Result<(), AgentError> {
    let known = installer.options();
    match spec
        .options
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(unknown) => Err(AgentError::NotFound {
            what: "setting",
            name: unknown.clone(),
            known: known.into_iter().map(str::to_owned).collect(),
        }),
    }
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepState {
    /// Under way.
    Running,
    /// Something was changed.
    Done,
    /// It was so already.
    Unchanged,
}

impl From<bool> for StepState {
    fn from(has_changed: bool) -> Self {
        if has_changed {
            Self::Done
        } else {
            Self::Unchanged
        }
    }
}

/// One line of progress.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub name: &'static str,
    pub state: StepState,
    /// In a few words.
    pub detail: String,
    /// Since the installation began.
    pub elapsed: Duration,
}

/// Where steps are reported.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    sender: mpsc::UnboundedSender<Step>,
    begun: Instant,
}

impl Progress {
    /// Steps go to `sender`.
    pub(crate) fn new(sender: mpsc::UnboundedSender<Step>) -> Self {
        Self {
            sender,
            begun: Instant::now(),
        }
    }

    /// Reports one step. A reader that went away does not stop the work.
    pub(crate) fn report(&self, name: &'static str, state: StepState, detail: impl Into<String>) {
        let step = Step {
            name,
            state,
            detail: detail.into(),
            elapsed: self.begun.elapsed(),
        };
        self.sender.send(step).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::RecordingSystem;

    #[test]
    fn names_are_unique_and_unknown_ones_are_explained() {
        let mut names: Vec<_> = INSTALLERS.iter().map(|i| i.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), INSTALLERS.len());
        let Err(error) = find("mqqt") else {
            panic!("found")
        };
        assert!(
            error.to_string().contains("there are: mqtt, containerd"),
            "{error}"
        );
    }

    #[test]
    fn a_setting_that_a_component_does_not_have_is_refused_with_those_it_has() {
        let spec = |name: &str| InstallSpec {
            options: [(name.to_owned(), "x".to_owned())].into(),
            artifacts: Vec::new(),
        };
        check_options(&Mqtt, &spec("backend")).unwrap();
        let error = check_options(&Mqtt, &spec("a")).unwrap_err().to_string();
        assert_eq!(error, "find setting `a` (there are: backend)");
    }

    #[tokio::test]
    async fn applying_twice_is_harmless() {
        for installer in INSTALLERS {
            let system = RecordingSystem::default();
            // What is waited for is there.
            let certificate = "/etc/kubeedge/certs/server.crt".to_owned();
            system.present.lock().unwrap().insert(certificate);
            let (sender, _keep) = mpsc::unbounded_channel();
            let progress = Progress::new(sender);
            let spec = InstallSpec {
                // Nothing but what it says that it takes.
                options: installer
                    .options()
                    .into_iter()
                    .map(|name| {
                        let value = if name == "routes" { "" } else { "x" };
                        (name.to_owned(), value.to_owned())
                    })
                    // These are names of what there is.
                    .filter(|(name, _)| !["backend", "runtime"].contains(&&**name))
                    .collect(),
                artifacts: vec![(
                    Artifact {
                        name: "some.deb".into(),
                        sha256: "0".repeat(64),
                        size_bytes: 1,
                        image: String::new(),
                    },
                    PathBuf::from("/store/some.deb"),
                )],
            };
            for _ in 0..2 {
                installer.apply(&spec, &system, &progress).await.unwrap();
            }
        }
    }
}
