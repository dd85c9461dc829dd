//! The kernel's source in its build root: unpacked, patched, configured, compiled.

use super::kernel_patches::{PATCHES, apply};
use crate::{
    cache,
    error::{ImageError, Report},
    process::Program,
    sandbox::Sandbox,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Three minutes on two cores that do nothing else.
const BUILD_DEADLINE: Duration = Duration::from_mins(45);
pub(super) const CONFIG: &str = include_str!("../../uml/config");
/// Of older sources: what they hide some of it behind.
const OLDER: &str = "CONFIG_UML_NET=y\n";
/// Two thirds of the source: other processors, devices that a process has not, texts. Descriptions of options and of
/// what is compiled where must be there even for those.
const UNUSED: [&str; 14] = [
    "*/arch/a[lr]*/*.[chS]",
    "*/arch/[chlmnoprs]*/*.[chS]",
    "*/arch/xtensa/*.[chS]",
    "*.dts",
    "*.dtsi",
    "*/drivers/gpu/*.[ch]",
    "*/drivers/media/*.[ch]",
    "*/drivers/net/ethernet/*.[ch]",
    "*/drivers/net/wireless/*.[ch]",
    "*/sound/*.[ch]",
    "*/Documentation/*.rst",
    "*/Documentation/*.yaml",
    "*/tools/perf/*",
    "*/tools/testing/*",
];
/// In the build root.
const WORK: &str = "/mnt/kernel";

/// A build root, and a directory that holds everything that is made.
pub(super) struct Build {
    pub(super) tree: PathBuf,
    pub(super) work: PathBuf,
}

impl Build {
    fn sandbox(&self, doing: &str) -> Sandbox {
        let epoch = format!("@{}", crate::SOURCE_DATE_EPOCH);
        Sandbox::new(doing, &self.tree, false)
            .write(&self.work, WORK)
            // They would be in the kernel's name of itself.
            .env("KBUILD_BUILD_TIMESTAMP", &epoch)
            .env("KBUILD_BUILD_USER", "continuum")
            .env("KBUILD_BUILD_HOST", "continuum")
            .env("KBUILD_BUILD_VERSION", "1")
            .dir(WORK)
    }

    pub(super) fn unpack(&self, deb: &Path, name: &str) -> Result<(), ImageError> {
        for dir in ["source", "built"] {
            let path = self.work.join(dir);
            std::fs::create_dir_all(&path).map_err(ImageError::file("create", path))?;
        }
        self.sandbox("unpack the kernel's package")
            .read(deb, "/mnt/source.deb")
            .command(["dpkg-deb", "--extract", "/mnt/source.deb", "deb"])
            .run()?;
        let archive = format!("deb/usr/src/{name}.tar.xz");
        self.sandbox("unpack the kernel's source")
            .command([
                "tar",
                "--extract",
                "--strip-components=1",
                "--no-same-owner",
            ])
            .args(["--directory=source", "--file", &archive])
            .args(UNUSED.map(|pattern| format!("--exclude={pattern}")))
            .run()?;
        cache::remove(&self.work.join("deb"))
    }

    pub(super) fn patch(&self, report: &dyn Report) -> Result<(), ImageError> {
        for (name, text) in PATCHES {
            let path = self.work.join(name);
            std::fs::write(&path, text).map_err(ImageError::file("write", &path))?;
            apply(name, report, |options| {
                self.sandbox(&format!("apply {name} to the kernel"))
                    .command(["patch", "--strip=1", "--directory=source"])
                    .args(options.iter().copied())
                    .args(["--input".to_owned(), format!("{WORK}/{name}")])
                    .run()
                    .map(|_| ())
            })?;
        }
        Ok(())
    }

    fn make_in(&self, doing: &str) -> Program {
        self.sandbox(doing)
            .env("KCONFIG_ALLCONFIG", &format!("{WORK}/options"))
            .command(["make", "-s", "-C", "source", "ARCH=um"])
            .arg(format!("O={WORK}/built"))
            .deadline(BUILD_DEADLINE)
    }

    /// Returns all options as they became.
    pub(super) fn configure(&self, more: &str) -> Result<String, ImageError> {
        let path = self.work.join("options");
        std::fs::write(&path, format!("{CONFIG}{OLDER}{more}"))
            .map_err(ImageError::file("write", &path))?;
        self.make_in("configure the kernel")
            .arg("allnoconfig")
            .run()?;
        let path = self.work.join("built/.config");
        std::fs::read_to_string(&path).map_err(ImageError::file("read", &path))
    }

    pub(super) fn make(&self, program: &str, into: &Path) -> Result<(), ImageError> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        self.make_in(&format!("build {program}"))
            .args([format!("-j{jobs}"), "linux".into()])
            .run()?;
        self.sandbox("strip the kernel")
            .command(["strip", "-o", program, "built/linux"])
            .run()?;
        let (from, to) = (self.work.join(program), into.join(program));
        std::fs::rename(from, &to).map_err(ImageError::file("rename to", &to))
    }
}

/// Options that were asked for and did not become what was asked.
pub(super) fn unknown(options: &str, taken: &str) -> Vec<String> {
    let asked = options.lines().filter(|line| line.starts_with("CONFIG_"));
    let missed = asked.filter(|line| !taken.lines().any(|t| t == *line));
    missed
        .map(|line| line.split('=').next().unwrap_or(line).to_owned())
        .collect()
}
