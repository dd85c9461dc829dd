//! The guest's programs, compiled in the build root with the host's toolchain and crates, offline.

use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
    sandbox::Sandbox,
    spec::SourceTree,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What the programs are made of; a change elsewhere does not rebuild them.
const SOURCES: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "proto",
    "agent",
    "workloads",
];
const COMPILE_DEADLINE: Duration = Duration::from_hours(1);

/// Programs for guests and bundles.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The agent.
    pub agent: PathBuf,
    /// The workload program, with libtorch.
    pub workload: PathBuf,
}

/// Where cargo finds its things.
struct Toolchain {
    sysroot: PathBuf,
    registry: PathBuf,
}

impl Toolchain {
    fn of_host(source: &SourceTree) -> Result<Self, ImageError> {
        let sysroot = Program::new("ask for the Rust toolchain", "rustc")
            .args(["--print", "sysroot"])
            .dir(source.path(""))
            .run()?;
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cargo")))
            .ok_or_else(|| ImageError::Missing {
                what: "cargo's directory".into(),
                hint: "set HOME or CARGO_HOME".into(),
            })?;
        Ok(Self {
            sysroot: sysroot.trim().into(),
            registry: home.join("registry"),
        })
    }

    /// A sandbox in which cargo works. Paths inside never change: a changed path would rebuild everything.
    fn sandbox(&self, doing: &str, tree: &Path, source: &SourceTree, target: &Path) -> Sandbox {
        Sandbox::new(doing, tree, false)
            .read(&self.sysroot, "/mnt/rust")
            .read(&self.registry, "/mnt/cargo/registry")
            .read(&source.path(""), "/mnt/src")
            .write(target, "/mnt/target")
            .env("PATH", "/mnt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CARGO_HOME", "/mnt/cargo")
            .env("CARGO_TARGET_DIR", "/mnt/target")
            .env("LIBTORCH", "/usr")
            .dir("/mnt/src")
    }
}

fn fetch(source: &SourceTree) -> Result<(), ImageError> {
    Program::new("fetch crates", "cargo")
        .args([
            "fetch",
            "--quiet",
            "--locked",
            "--target",
            "x86_64-unknown-linux-gnu",
        ])
        .dir(source.path(""))
        .run()
        .map(|_| ())
}

/// Compiles, or takes what was compiled from the same sources before.
pub fn build(
    cache: &Cache,
    source: &SourceTree,
    tree: &Path,
    tree_key: &str,
    report: &dyn Report,
) -> Result<Binaries, ImageError> {
    let mut parts = vec![tree_key.to_owned()];
    for relative in SOURCES {
        let path = source.path(relative);
        parts.push(if path.is_dir() {
            hash::tree(&path)?
        } else {
            hash::file(&path)?
        });
    }
    let key = hash::texts(parts.iter().map(String::as_str));
    let dir = cache.get_or_make("binaries", &key, |partial| {
        fetch(source)?;
        report.step("compiling agent and workload in the Debian 13 build root");
        let target = cache.subdir("build-root-target")?;
        Toolchain::of_host(source)?
            .sandbox("compile agent and workload", tree, source, &target)
            .command([
                "cargo",
                "build",
                "--quiet",
                "--offline",
                "--locked",
                "--profile",
                "guest",
                "-p",
                "continuum-agent",
                "-p",
                "continuum-workload",
                "--features",
                "continuum-workload/torch",
            ])
            .deadline(COMPILE_DEADLINE)
            .run()?;
        for name in ["continuum-agent", "continuum-workload"] {
            let from = target.join("guest").join(name);
            std::fs::copy(&from, partial.join(name)).map_err(ImageError::file("copy", &from))?;
        }
        Ok(())
    })?;
    Ok(Binaries {
        agent: dir.join("continuum-agent"),
        workload: dir.join("continuum-workload"),
    })
}

/// Runs cargo in the build root for the crates that need libtorch, to lint and test them.
pub fn cargo_with_torch(
    cache: &Cache,
    source: &SourceTree,
    tree: &Path,
    arguments: &[&str],
) -> Result<(), ImageError> {
    fetch(source)?;
    let target = cache.subdir("build-root-target")?;
    Toolchain::of_host(source)?
        .sandbox("run cargo in the build root", tree, source, &target)
        .command(["cargo"].iter().chain(arguments).copied())
        .shown()
        .deadline(COMPILE_DEADLINE)
        .run()
        .map(|_| ())
}
