//! Runs programs of a package tree with that tree as their root, by bubblewrap: its mounts go when it goes.

use crate::process::Program;
use std::path::Path;

/// A command inside a tree.
#[derive(Debug)]
pub(crate) struct Sandbox {
    program: Program,
}

impl Sandbox {
    /// The tree is the root directory, read-only unless `writable`. No network; `/tmp` and `/mnt` are empty.
    pub(crate) fn new(doing: &str, tree: &Path, writable: bool) -> Self {
        let bind = if writable { "--bind" } else { "--ro-bind" };
        let program = Program::new(doing, "bwrap")
            // Not --unshare-all: a user namespace would lose root's right to read every file.
            .args([
                "--unshare-ipc",
                "--unshare-pid",
                "--unshare-net",
                "--unshare-uts",
            ])
            .args(["--die-with-parent", "--new-session", "--clearenv"])
            .args([bind, &tree.display().to_string(), "/"])
            .args([
                "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/mnt",
            ])
            .args(["--setenv", "LC_ALL", "C.UTF-8", "--setenv", "HOME", "/tmp"])
            .args([
                "--setenv",
                "SOURCE_DATE_EPOCH",
                &crate::SOURCE_DATE_EPOCH.to_string(),
            ])
            .args(["--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"]);
        Self { program }
    }

    /// A host directory or file inside, read-only.
    #[must_use]
    pub(crate) fn read(mut self, host: &Path, inside: &str) -> Self {
        self.program = self
            .program
            .args(["--ro-bind", &host.display().to_string(), inside]);
        self
    }

    /// A host directory inside, writable.
    #[must_use]
    pub(crate) fn write(mut self, host: &Path, inside: &str) -> Self {
        self.program = self
            .program
            .args(["--bind", &host.display().to_string(), inside]);
        self
    }

    /// Root inside may mount; without this it may do little more than read and write files.
    #[must_use]
    pub(crate) fn all_rights(mut self) -> Self {
        self.program = self.program.args(["--cap-add", "ALL"]);
        self
    }

    /// An environment variable inside.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.program = self.program.args(["--setenv", name, value]);
        self
    }

    /// Working directory inside.
    #[must_use]
    pub(crate) fn dir(mut self, inside: &str) -> Self {
        self.program = self.program.args(["--chdir", inside]);
        self
    }

    /// The command, ready to run.
    pub(crate) fn command<I: Into<String>>(self, argv: impl IntoIterator<Item = I>) -> Program {
        self.program.arg("--").args(argv)
    }
}
