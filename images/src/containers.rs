//! Container images in a guest's containerd store before the guest ever starts: containerd of the tree itself takes them
//! in, in a sandbox. What it notes beside them (times, ids) differs from build to build; the files do not.

use crate::{error::ImageError, process::wait_until, sandbox::Sandbox};
use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

const START_DEADLINE: Duration = Duration::from_mins(1);
const IMPORT_DEADLINE: Duration = Duration::from_mins(5);
/// Shared by containerd and its client; a socket's path must be short.
const INSIDE: &str = "/mnt/run";
const SOCKET: &str = "containerd.sock";

/// Imports archives into the store of `tree`.
pub(crate) fn import(tree: &Path, archives: &[PathBuf]) -> Result<(), ImageError> {
    let run = tempfile::Builder::new()
        .prefix("continuum-images-")
        .tempdir()
        .map_err(ImageError::file("create a directory in", "/tmp"))?;
    let config = run.path().join("config.toml");
    std::fs::write(&config, config_text()).map_err(ImageError::file("write", &config))?;
    let mut daemon = Sandbox::new("start containerd to import container images", tree, true)
        .write(run.path(), INSIDE)
        .all_rights()
        .command(["containerd", "--config"])
        .arg(format!("{INSIDE}/config.toml"))
        .start()?;
    let socket = run.path().join(SOCKET);
    let answers = || UnixStream::connect(&socket).is_ok();
    let late = |what: &str| ImageError::Deadline {
        doing: format!("wait for containerd to {what}"),
        program: "containerd".into(),
        after: START_DEADLINE,
    };
    let is_up = wait_until(START_DEADLINE, || answers() || daemon.check().is_err());
    daemon.check()?;
    if !is_up {
        return Err(late("answer"));
    }
    for archive in archives {
        Sandbox::new("import a container image", tree, false)
            .write(run.path(), INSIDE)
            .read(archive, "/mnt/image.tar")
            .command(["ctr", "--address"])
            .arg(format!("{INSIDE}/{SOCKET}"))
            .args(["--namespace=k8s.io", "images", "import", "/mnt/image.tar"])
            .deadline(IMPORT_DEADLINE)
            .run()?;
    }
    drop(daemon);
    // Its sandbox goes after the one who asked for it; until then it could still write into the tree.
    if wait_until(START_DEADLINE, || !answers()) {
        Ok(())
    } else {
        Err(late("end"))
    }
}

fn config_text() -> String {
    format!(
        "version = 2\nroot = \"/var/lib/containerd\"\nstate = \"{INSIDE}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = \"{INSIDE}/{SOCKET}\"\n[ttrpc]\naddress = \"{INSIDE}/{SOCKET}.ttrpc\"\n"
    )
}
