//! Parts of the kernel that Debian's loads as modules and that others have built in.

use crate::{error::AgentError, system::System};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_mins(2);
/// Is there where a kernel can load modules at all.
const LOADABLE: &str = "/proc/modules";
/// What is loaded at every boot.
const AT_BOOT: &str = "/etc/modules-load.d";

#[derive(Debug)]
pub(super) struct Module {
    name: &'static str,
    /// Is there while the kernel has it, loaded or built in. `/sys/module` alone does not tell: what is built in and has no
    /// parameters is not in it, nor is it among `modules.builtin` of a kernel that was built without modules.
    proof: &'static str,
    lacking: &'static str,
}

/// Has the rules of the machine's firewall see what goes over its bridges.
pub(super) const BRIDGE_FILTER: Module = Module {
    name: "br_netfilter",
    proof: "/proc/sys/net/bridge",
    lacking: "its kernel can load no modules and was built without CONFIG_BRIDGE_NETFILTER",
};

/// File systems of containers.
pub(super) const OVERLAY: Module = Module {
    name: "overlay",
    proof: "/sys/module/overlay",
    lacking: "its kernel can load no modules and was built without CONFIG_OVERLAY_FS",
};

fn file(purpose: &str) -> String {
    format!("{AT_BOOT}/{purpose}.conf")
}

/// Has the kernel take them in, now and at every boot; one without modules is asked whether it has them. Returns whether
/// anything was written.
pub(super) async fn load(
    purpose: &str,
    modules: &[Module],
    system: &dyn System,
) -> Result<bool, AgentError> {
    if !system.exists(LOADABLE).await {
        for module in modules {
            if !system.exists(module.proof).await {
                return Err(AgentError::Unsupported {
                    doing: "run pods",
                    why: module.lacking,
                });
            }
        }
        return Ok(false);
    }
    let names: Vec<&str> = modules.iter().map(|module| module.name).collect();
    let text = names.join("\n") + "\n";
    let changed = system.write(&file(purpose), &text, 0o644).await?;
    let argv = [&["modprobe", "--all"], &*names].concat();
    system.run(&argv, DEADLINE).await?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::RecordingSystem;

    const BOTH: &[Module] = &[BRIDGE_FILTER, OVERLAY];

    fn with(paths: &[&str]) -> RecordingSystem {
        let system = RecordingSystem::default();
        *system.present.lock().unwrap() = paths.iter().map(|p| (*p).to_owned()).collect();
        system
    }

    #[tokio::test]
    async fn a_kernel_with_modules_loads_them_now_and_at_every_boot() {
        let system = with(&[LOADABLE]);
        assert!(load("pods", BOTH, &system).await.unwrap());
        assert!(!load("pods", BOTH, &system).await.unwrap());
        let commands = system.commands.lock().unwrap().clone();
        assert_eq!(commands, ["modprobe --all br_netfilter overlay"; 2]);
        let files = system.files.lock().unwrap().clone();
        let text = &files["/etc/modules-load.d/pods.conf"];
        assert_eq!(text, "br_netfilter\noverlay\n");
    }

    #[tokio::test]
    async fn what_is_built_in_is_not_loaded_and_what_is_not_is_named() {
        let system = with(&[BRIDGE_FILTER.proof, OVERLAY.proof]);
        assert!(!load("pods", BOTH, &system).await.unwrap());
        assert!(system.commands.lock().unwrap().is_empty());
        assert!(system.files.lock().unwrap().is_empty());
        let system = with(&[OVERLAY.proof]);
        let error = load("pods", BOTH, &system).await.unwrap_err().to_string();
        assert!(error.contains("CONFIG_BRIDGE_NETFILTER"), "{error}");
    }
}
