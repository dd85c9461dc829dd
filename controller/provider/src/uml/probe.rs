//! Whether the kernel runs here.

use super::{FIRST_USER, is_root, kernel::Kernel, sandbox::GuestSpec};
use crate::error::ProviderError;
use continuum_host::{context::Context, error::Error, process};
use std::time::Duration;

/// For the kernel to say its version from inside the sandbox.
const DEADLINE: Duration = Duration::from_secs(10);

/// Starts the kernel in the sandbox of a guest, where it says its version and ends: what would stop a guest stops this.
pub(super) async fn release(context: &Context, kernel: &Kernel) -> Result<String, Error> {
    let base = context.root.uml();
    let spec = GuestSpec {
        uuid: uuid::Uuid::nil(),
        deployment: String::new(),
        node: "probe".into(),
        kernel: kernel.dir.clone(),
        kernel_file: Kernel::file(1).into(),
        // Anything that can be read stands for the disk.
        base: kernel.dir.join(Kernel::file(1)),
        memory_mib: 32,
        cores: 1,
        processor: None,
        quota: 1.0,
        mac: String::new(),
        bridge: String::new(),
        interface: String::new(),
        user: is_root().then_some(FIRST_USER),
        control_groups: Vec::new(),
    };
    let doing = "start User Mode Linux in a sandbox";
    let argv = spec.probe_argv();
    let (program, arguments) = argv
        .split_first()
        .map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let run = process::command(program)
        .args(arguments)
        .current_dir("/")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run)
        .await
        .map_err(|_| Error::Deadline {
            what: "User Mode Linux to say its version".into(),
            after: DEADLINE,
            last: String::new(),
        })?
        .map_err(|error| ProviderError::NotStarted {
            doing: doing.to_owned(),
            error,
            packages: "util-linux bubblewrap",
        })?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !said.is_empty() {
        return Ok(said);
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ProviderError::Program {
        doing: doing.to_owned(),
        said: format!(
            "{why}; it takes user namespaces, and directories that other users may enter: {}",
            base.display()
        ),
    }
    .into())
}
