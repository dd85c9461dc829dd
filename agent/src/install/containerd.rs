//! containerd from the guest image: configured and started.

use super::{InstallSpec, Installer, Progress, StepState, unit};
use crate::{
    error::AgentError,
    machine::{ContainerProgram, Machine},
    system::System,
};
use std::time::Duration;

/// The package is in the image, switched off; this writes its configuration and starts it.
#[derive(Debug)]
pub(crate) struct Containerd;

const CONFIG: &str = "/etc/containerd/config.toml";
pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";
/// containerd 1.7, configuration version 2; systemd owns the control groups, as Kubernetes wants it. Option
/// `sandbox_image` names the image that holds a pod's namespaces.
fn config_text(spec: &InstallSpec, program: ContainerProgram) -> String {
    // A name of an image has no quotes; one that has them is somebody's joke.
    let sandbox = spec
        .options
        .get("sandbox_image")
        .map_or_else(String::new, |image| {
            let image: String = image.chars().filter(|c| !"\"\\\n".contains(*c)).collect();
            format!("[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"{image}\"\n")
        });
    let program = match program {
        ContainerProgram::Crun => CRUN_TEXT,
        ContainerProgram::Runc => "",
    };
    format!("version = 2\n{sandbox}{CONFIG_TEXT}{program}")
}

const CONFIG_TEXT: &str = "\
[plugins.\"io.containerd.grpc.v1.cri\".cni]
  bin_dir = \"/usr/lib/cni\"
  conf_dir = \"/etc/cni/net.d\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]
  runtime_type = \"io.containerd.runc.v2\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]
  SystemdCgroup = true
";
const CRUN_TEXT: &str = "  BinaryName = \"/usr/bin/crun\"\n";
const UNIT: &str = "containerd.service";
const ANSWER_DEADLINE: Duration = Duration::from_mins(2);

#[async_trait::async_trait]
impl Installer for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn options(&self) -> Vec<&'static str> {
        vec!["sandbox_image"]
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(CONFIG).await && system.exists(SOCKET).await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let program = Machine::read(system).await.policy().container_program;
        let text = config_text(spec, program);
        let changed = system.write(CONFIG, &text, 0o644).await?;
        progress.report("configuration", changed.into(), CONFIG);
        unit::run(UNIT, changed, system, progress).await?;
        // The unit is of type notify: it is up only once containerd said so. `ctr` proves that it answers.
        let version = system.run(&["ctr", "version"], ANSWER_DEADLINE).await?;
        let version = version
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Version:"))
            .next_back()
            .unwrap_or("unknown version")
            .trim()
            .to_owned();
        let said = system
            .run(&[program.name(), "--version"], ANSWER_DEADLINE)
            .await?;
        let runtime = said.lines().next().unwrap_or(program.name());
        progress.report("service", StepState::Done, format!("{version}, {runtime}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::RecordingSystem;

    #[tokio::test]
    async fn restarts_only_when_the_configuration_changed() {
        let system = RecordingSystem::default();
        let progress = Progress::new(tokio::sync::mpsc::unbounded_channel().0);
        Containerd
            .apply(&InstallSpec::default(), &system, &progress)
            .await
            .unwrap();
        Containerd
            .apply(&InstallSpec::default(), &system, &progress)
            .await
            .unwrap();
        let commands = system.commands.lock().unwrap().clone();
        let count = |word: &str| commands.iter().filter(|c| c.starts_with(word)).count();
        assert_eq!(count("systemctl restart"), 1, "{commands:?}");
        assert_eq!(count("systemctl start"), 1, "{commands:?}");
    }

    #[tokio::test]
    async fn only_where_it_is_emulated_containers_are_made_by_crun() {
        for (kind, program) in [
            ("qemu\n", "crun --version"),
            ("kvm\n", "runc --version"),
            ("uml\n", "runc --version"),
        ] {
            let system = RecordingSystem::answering("systemd-detect-virt", kind);
            let progress = Progress::new(tokio::sync::mpsc::unbounded_channel().0);
            Containerd
                .apply(&InstallSpec::default(), &system, &progress)
                .await
                .unwrap();
            let text = system.files.lock().unwrap()[CONFIG].clone();
            assert_eq!(text.contains("/usr/bin/crun"), kind == "qemu\n", "{text}");
            let commands = system.commands.lock().unwrap();
            assert!(commands.iter().any(|c| c == program), "{commands:?}");
        }
    }
}
