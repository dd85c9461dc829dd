//! What the MQTT broker needs: nothing for the embedded one, Debian packages for mosquitto.

use super::{InstallSpec, Installer, Progress, StepState, packages};
use crate::{broker::Backend, error::AgentError, system::System};
use std::time::Duration;

/// Option `backend`: `rumqttd` (embedded, the default) or `mosquitto`.
#[derive(Debug)]
pub(crate) struct Mqtt;

const MOSQUITTO: &str = "/usr/sbin/mosquitto";
const UNIT_LINK: &str = "/etc/systemd/system/mosquitto.service";

#[async_trait::async_trait]
impl Installer for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn options(&self) -> Vec<&'static str> {
        vec!["backend"]
    }

    fn needs_own_machine(&self, spec: &InstallSpec) -> bool {
        matches!(backend(spec), Ok(Backend::Mosquitto))
    }

    async fn is_installed(&self, _system: &dyn System) -> bool {
        // The embedded broker is part of the agent.
        true
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        match backend(spec)? {
            Backend::Rumqttd => {
                progress.report(
                    "broker",
                    StepState::Unchanged,
                    "rumqttd is part of the agent",
                );
                Ok(())
            }
            Backend::Mosquitto => mosquitto(spec, system, progress).await,
        }
    }
}

fn backend(spec: &InstallSpec) -> Result<Backend, AgentError> {
    spec.options
        .get("backend")
        .map_or(Ok(Backend::Rumqttd), |name| Backend::from_name(name))
}

async fn mosquitto(
    spec: &InstallSpec,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    if system.exists(MOSQUITTO).await {
        progress.report("packages", StepState::Unchanged, "mosquitto is there");
        return Ok(());
    }
    let debs = packages::of("mosquitto", spec)?;
    // The agent supervises the broker itself: the package's own unit must never start.
    system
        .run(
            &["ln", "-sfn", "/dev/null", UNIT_LINK],
            Duration::from_secs(10),
        )
        .await?;
    packages::install(&debs, system, progress).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::Artifact, system::fake::RecordingSystem};

    fn spec(backend: &str, debs: &[&str]) -> InstallSpec {
        InstallSpec {
            options: [("backend".to_owned(), backend.to_owned())].into(),
            artifacts: debs
                .iter()
                .map(|name| {
                    let artifact = Artifact {
                        name: (*name).to_owned(),
                        sha256: "0".repeat(64),
                        size_bytes: 1,
                        image: String::new(),
                    };
                    (artifact, format!("/store/{name}").into())
                })
                .collect(),
        }
    }

    fn progress() -> Progress {
        Progress::new(tokio::sync::mpsc::unbounded_channel().0)
    }

    #[tokio::test]
    async fn mosquitto_is_masked_before_its_packages_are_installed() {
        let system = RecordingSystem::default();
        Mqtt.apply(
            &spec("mosquitto", &["mosquitto.deb", "libcjson1.deb"]),
            &system,
            &progress(),
        )
        .await
        .unwrap();
        let commands = system.commands.lock().unwrap().clone();
        assert_eq!(commands[0], format!("ln -sfn /dev/null {UNIT_LINK}"));
        assert_eq!(
            commands[1],
            "dpkg --install --force-confold /store/mosquitto.deb /store/libcjson1.deb"
        );
    }

    #[tokio::test]
    async fn without_packages_or_with_a_wrong_name_it_says_so() {
        let system = RecordingSystem::default();
        let error = Mqtt
            .apply(&spec("mosquitto", &[]), &system, &progress())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("Debian packages"), "{error}");
        assert!(
            Mqtt.apply(&spec("emqx", &[]), &system, &progress())
                .await
                .is_err()
        );
        assert!(system.commands.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_failing_package_manager_is_passed_on() {
        let system = RecordingSystem {
            fail_on: Some("dpkg".into()),
            ..RecordingSystem::default()
        };
        let error = Mqtt
            .apply(&spec("mosquitto", &["a.deb"]), &system, &progress())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("told to fail"), "{error}");
    }
}
